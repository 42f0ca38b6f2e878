// The second pipeline beside the first: its question, its masks, how much the two agree.

import { get, listen, post } from "./api.js";
import { fitSources, secondViewer, showFrame, timeline } from "./main.js";
import { describeWork } from "./panels.js";
import { Source } from "./source.js";
import { $, attempt, page } from "./state.js";

export async function askSecond(query) {
  closeSecond();
  let project = await post("/projects", { video: page.name, variant: "compare" });
  // What was cancelled a moment ago may be at its end still.
  while (project.status === "opening" || project.work?.status === "running") {
    await new Promise((resolve) => setTimeout(resolve, 300));
    project = await get(`/projects/${project.id}`);
  }
  if (project.status === "failed") throw new Error(project.error);
  if (!$("compare").checked || !page.source) return;
  const source = new Source(project.id, project.video);
  source.revision = project.revision;
  const pipeline = $("pipeline-b").value;
  page.second = { project, source, pipeline, events: null, status: "running" };
  $("view-b").hidden = false;
  $("views").classList.add("two");
  secondViewer.resize(project.video.width, project.video.height);
  await post(`/projects/${project.id}/ask`, { query, pipeline });
  page.second.events = listen(project.id, takeSecondNews, () => {});
  fitSources();
  await showFrame(page.frame);
}

async function takeSecondNews(news) {
  const { second: other } = page;
  if (!other) return;
  other.status = news.work?.status;
  const running = other.status === "running";
  $("cancel-b").hidden = !running;
  $("caption-b").textContent = `B: ${other.pipeline}. ${news.work ? describeWork(news.work) : ""}`;
  if (news.revision > other.source.revision) {
    other.source.revision = news.revision;
    other.project = await get(`/projects/${other.project.id}`);
    if (page.second === other) await showFrame(page.frame);
  }
  if (!running) await showAgreement();
}

/** Compare the masks once both pipelines have ended. */
export async function showAgreement() {
  const other = page.second;
  if (!other || other.status === "running" || !$("progress").hidden) return;
  const failed = [["A", page.project.work?.status], ["B", other.status]].filter(([, status]) => status !== "done");
  if (failed.length) {
    $("agreement").hidden = false;
    $("agreement").textContent = `There is nothing to compare: ${failed.map(([name, status]) => `${name} ${status === "cancelled" ? "was cancelled" : "failed"}`).join(", ")}.`;
    timeline.show({ agreement: null });
    return;
  }
  const found = await attempt(() => get(`/projects/${page.project.id}/agreement/${page.second.project.id}`));
  if (!found || !page.second) return;
  $("agreement").hidden = false;
  $("agreement").textContent = found.mean === null
    ? "Neither pipeline has found anything."
    : `The masks of A and B share ${Math.round(100 * found.mean)} % (mean overlap, IoU). The lowest row of the timeline shows where: green is agreement, red is not.`;
  timeline.show({ agreement: found });
}

export function closeSecond() {
  const { events, status, project } = page.second ?? {};
  events?.close();
  if (status === "running") post(`/projects/${project.id}/cancel`).catch(() => {});
  $("cancel-b").hidden = true;
  page.second?.source.close();
  page.second = null;
  $("view-b").hidden = true;
  $("views").classList.remove("two");
  $("agreement").hidden = true;
  timeline.show({ agreement: null });
}
