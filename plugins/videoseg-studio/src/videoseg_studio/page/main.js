// The page: what is open, what is shown, and what keys and buttons do.

import { get, listen, post } from "./api.js";
import { act, addObject, choose, clickAt, correct, propagate, renameObject, setMode } from "./correct.js";
import { exportMasks, offerDownload, showFormat } from "./export.js";
import { openHelp, press } from "./keys.js";
import { KEYS, capitalize, describeWork, make, objectName, showAnswer, showObjects } from "./panels.js";
import { Player } from "./player.js";
import { askSecond, closeSecond, showAgreement } from "./second.js";
import { Source } from "./source.js";
import { sendFile, showStart } from "./start.js";
import { $, attempt, calm, complain, page, tell } from "./state.js";
import { Timeline } from "./timeline.js";
import { Viewer } from "./viewer.js";

export const firstViewer = new Viewer($("canvas-a"));
export const secondViewer = new Viewer($("canvas-b"));
export const timeline = new Timeline($("timeline"), (frame) => seek(frame));
export const player = new Player({ show: (frame) => showFrame(frame), changed: showPlaying, sources: () => [page.source, page.second?.source].filter(Boolean) });

// -- choosing a video ---------------------------------------------------------------------------

function showChooser() {
  closeVideo();
  history.replaceState(null, "", location.pathname);
  $("start").hidden = false;
  $("work").hidden = true;
  $("choose").hidden = true;
  $("video-name").textContent = "";
  showStart().catch(complain);
}

function closeVideo() {
  player.pause();
  page.events?.close();
  page.source?.close();
  closeSecond();
  workShown = "";
  workEnded = 0;
  Object.assign(page, { project: null, editing: 0, source: null, events: null, frame: 0, chosen: 0, hidden: [], answeredBy: "", name: "", reopen: null });
  $("download").hidden = true;
}

export async function openVideo(name, frame = 0) {
  await attempt(async () => {
    closeVideo();
    const project = await post("/projects", { video: name });
    page.name = name;
    page.frame = frame;
    page.reopen = () => openVideo(page.name, page.frame);
    $("start").hidden = true;
    $("work").hidden = false;
    $("choose").hidden = false;
    $("video-name").textContent = project.name;
    document.title = `${project.name} – videoseg studio`;
    page.project = project;
    setReady(project.status === "ready");
    page.events = listen(project.id, takeNews, lose);
    if (project.status === "ready") await beginWork(project);
    else await showOpening(project);
  });
}

/** Show the first picture while a long video is being indexed. */
async function showOpening(project) {
  $("opening").hidden = false;
  $("opening").textContent = project.error || "Reading where the frames are…";
  if (project.status === "failed") throw new Error(`${project.name} cannot be opened: ${project.error}`);
  try {
    const response = await fetch(`/studio/projects/${project.id}/poster.jpg`);
    if (response.status === 200 && !page.source) {
      const picture = await createImageBitmap(await response.blob());
      firstViewer.resize(picture.width, picture.height);
      firstViewer.draw(picture, {});
    }
  } catch {
    // It is shown a moment later.
  }
}

/** Nothing but the first picture is of use before a video is open. */
function setReady(ready) {
  for (const one of document.querySelectorAll("aside, .transport, .tools, .timeline")) one.inert = !ready;
}

async function beginWork(project) {
  $("opening").hidden = true;
  setReady(true);
  const { video } = project;
  page.source = new Source(project.id, video);
  page.source.revision = project.revision;
  firstViewer.resize(video.width, video.height);
  page.frame = Math.min(page.frame, video.num_frames - 1);
  page.chosen = project.objects[0]?.id ?? 0;
  $("frame").max = video.num_frames - 1;
  $("timeline").setAttribute("aria-valuemax", video.num_frames - 1);
  player.open(video);
  takeProject(project);
  if (project.query) $("query").value = project.query;
  if (video.warnings.length) tell(video.warnings.join(" "));
  fitSources();
  await refresh();
}

// -- news -----------------------------------------------------------------------------------

function takeNews(news) {
  if ($("alert").dataset.lost) {
    delete $("alert").dataset.lost;
    calm();
    attempt(async () => takeProject(await get(`/projects/${page.project.id}`)));
  }
  if (!page.source) {
    if (news.status === "ready") {
      attempt(async () => beginWork(await get(`/projects/${page.project.id}`)));
    } else if (news.status === "failed") {
      attempt(() => showOpening({ ...page.project, ...news }));
    } else if (news.revision > 1) {
      attempt(() => showOpening({ ...page.project, ...news }));
    }
    return;
  }
  showWork(news.work);
  if (news.revision > page.source.revision) {
    page.source.revision = news.revision;
    // Another page may have changed the objects.
    attempt(update, { calms: false });
  }
}

async function update() {
  const { id } = page.project;
  const project = await get(`/projects/${id}`);
  if (page.project?.id !== id) return;
  takeProject(project);
  await refresh();
}

let reopened = -Infinity;

function lose(isOver) {
  if (!isOver && page.source) {
    complain("The studio does not answer; trying again. Corrections that you have seen are kept. If it has ended, start it again.");
    $("alert").dataset.lost = "1";
  } else if (isOver) {
    const now = performance.now();
    if (now - reopened < 10_000) {
      complain("The studio does not tell of progress: too many pages may follow it. Close some of them, then reload this one.");
      return;
    }
    reopened = now;
    // It was started again, and has not opened the video yet.
    const { name, frame } = page;
    setTimeout(() => page.name === name && openVideo(name, frame), 500);
  }
}

let workShown = "";
let workEnded = 0;

/** Start work; what the studio then tells of it may come before its answer. */
export async function startWork(action, body) {
  // What was clicked before is part of it.
  await page.queue;
  if (!workShown) workShown = " ";
  const { work } = await post(`/projects/${page.project.id}/${action}`, body);
  showWork(work);
}

export function showWork(work) {
  if (!work) return;
  if (work.status !== "running") workEnded = Math.max(workEnded, work.number);
  else if (work.number <= workEnded) return;
  const running = work.status === "running";
  $("progress").hidden = !running;
  $("progress-text").textContent = describeWork(work);
  if (work.total) {
    $("progress-bar").max = work.total;
    $("progress-bar").value = work.done;
  } else $("progress-bar").removeAttribute("value");
  for (const id of ["ask-button", "go-back", "go-both", "go-on", "export-button"]) $(id).disabled = running;
  if (!running) showPending();
  const key = `${work.number} ${work.status}`;
  const before = workShown;
  workShown = key;
  if (running || !before || before === key) return;
  if (work.status === "failed") complain(new Error(work.message));
  else tell(capitalize(describeWork(work)));
  if (work.kind === "export" && work.result.file) offerDownload(work.result);
  const ended = async () => {
    await update();
    await showAgreement();
    const [keyframe] = keyframes();
    if (work.kind === "ask" && page.frame === page.askedAt && keyframe !== undefined) seek(keyframe);
  };
  attempt(ended, { calms: false });
}

export function takeProject(project) {
  // Answers may overtake each other, and come after another video was chosen.
  const known = page.project;
  if (known && (known.id !== project.id || known.revision > project.revision)) return;
  page.project = project;
  if (page.source) page.source.revision = Math.max(page.source.revision, project.revision);
  if (!project.objects.some((one) => one.id === page.chosen)) page.chosen = project.objects.at(-1)?.id ?? 0;
  if (project.work && !workShown) workShown = project.work.status === "running" ? "running" : " ";
  showWork(project.work);
  showSide();
}

// -- showing ----------------------------------------------------------------------------------

export function showSide() {
  const { objects, undo, redo } = page.project;
  showObjects($("objects"), objects, page, {
    choose: (id) => choose(id),
    edit: (id) => ((page.editing = id), showSide()),
    rename: renameObject,
    remove: (id) => act({ do: "remove", object: id }, `Removed object ${id}; undo brings it back`),
    toggle: (id) => {
      page.hidden = page.hidden.includes(id) ? page.hidden.filter((one) => one !== id) : [...page.hidden, id];
      showSide();
      showFrame(page.frame);
    },
  });
  $("no-objects").hidden = objects.length > 0;
  $("undo").disabled = !undo;
  $("undo").title = undo ? `Undo ${undo} (Ctrl+Z)` : "There is nothing to undo";
  $("redo").disabled = !redo;
  $("redo").title = redo ? `Redo ${redo} (Ctrl+Shift+Z)` : "There is nothing to redo";
  showPending();
  showCaption();
  timeline.show({ objects, chosen: page.chosen, keys: keyframes() });
}

function showPending() {
  const { pending, objects, work } = page.project;
  const busy = work?.status === "running" && !$("progress").hidden;
  $("pending").classList.toggle("some", pending > 0);
  $("pending").textContent = pending
    ? `${pending} correction${pending === 1 ? " is" : "s are"} not in the other frames yet`
    : objects.length ? "All corrections are in all frames" : "";
  const here = page.chosen && objects.find((one) => one.id === page.chosen);
  const corrected = here && here.corrections.some((one) => one.frame === page.frame && one.origin === "user");
  // What is propagated already can be propagated again, such as further, from its own frame.
  for (const id of ["go-back", "go-both", "go-on"]) $(id).disabled = busy || !(pending || corrected);
  $("forget").disabled = !corrected;
  $("hide").disabled = !here;
}

function keyframes() {
  const frames = new Set();
  for (const one of page.project.objects) {
    for (const correction of one.corrections) if (correction.origin === "answer") frames.add(correction.frame);
  }
  return [...frames];
}

function marks() {
  const object = page.project.objects.find((one) => one.id === page.chosen);
  const here = object?.corrections.find((one) => one.frame === page.frame && one.origin === "user");
  if (!here) return [];
  return [
    ...(here.box ? [{ box: here.box }] : []),
    ...here.points.map(([x, y]) => ({ x, y, positive: true })),
    ...here.negative_points.map(([x, y]) => ({ x, y, positive: false })),
  ];
}

function showCaption() {
  if (!page.source || !page.project) return;
  const { video, objects } = page.project;
  const masks = page.source.masksNow(page.frame) ?? {};
  const seen = objects.filter((one) => masks[one.id]).map(objectName);
  const time = formatTime(page.frame / video.fps);
  const text = `Frame ${page.frame} of ${video.num_frames - 1}, ${time}${seen.length ? `, with ${seen.join(", ")}` : ""}`;
  $("canvas-a").setAttribute("aria-label", `${text}. Click to correct; c for a cursor.`);
  $("timeline").setAttribute("aria-valuenow", page.frame);
  $("timeline").setAttribute("aria-valuetext", text);
  $("time").textContent = `/ ${video.num_frames - 1} · ${time}`;
  if (document.activeElement !== $("frame")) $("frame").value = page.frame;
  $("caption-a").textContent = page.second ? `A: ${$("pipeline").value}` : "";
}

function formatTime(seconds) {
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((one, index) => (index ? String(one).padStart(2, "0") : one)).join(":");
}

let shown = 0;
/** Show a frame with its masks; resolves when it is on the screen. */
export async function showFrame(frame) {
  if (!page.source) return;
  const number = ++shown;
  const source = page.source;
  page.frame = frame;
  showCaption();
  showPending();
  timeline.show({ frame });
  try {
    await Promise.all([
      drawOne(firstViewer, source, page.project, frame, () => number === shown, true),
      page.second?.source && drawOne(secondViewer, page.second.source, page.second.project, frame, () => number === shown, false),
    ]);
  } catch (error) {
    if (number === shown && page.source === source) complain(error);
  }
  if (number === shown) showCaption();
}

async function drawOne(viewer, source, project, frame, isCurrent, isMine) {
  const picture = await source.picture(frame);
  const look = (masks) => ({
    masks: $("show-masks").checked ? masks : {},
    colors: Object.fromEntries(project.objects.map((one) => [one.id, one.color])),
    opacity: Number($("opacity").value),
    chosen: isMine && !player.playing ? page.chosen : 0,
    hidden: isMine ? page.hidden : [],
    marks: isMine && !player.playing ? marks() : [],
  });
  const now = source.masksNow(frame);
  if (isCurrent() && now) viewer.draw(picture, look(now));
  const masks = await source.masks(frame);
  if (isCurrent() && picture.width) viewer.draw(picture, look(masks));
}

/** Fetch anew what may have changed: masks, timeline, reasoning. */
export async function refresh() {
  const { project, source } = page;
  if (!source) return;
  const bins = Math.max(100, Math.min(2000, $("timeline").clientWidth));
  const [lines] = await Promise.all([
    get(`/projects/${project.id}/timeline?bins=${bins}`),
    showFrame(page.frame),
  ]);
  if (page.source !== source) return;
  timeline.show({ total: project.video.num_frames, presence: lines.objects });
  if (page.project.answered) await showReasons();
  else {
    $("why").hidden = true;
    timeline.show({ seen: [] });
  }
}

async function showReasons() {
  const answer = await get(`/projects/${page.project.id}/answer`);
  const key = JSON.stringify(answer);
  if (key === page.answeredBy) return;
  page.answeredBy = key;
  $("why").hidden = !answer.turns.length;
  showAnswer($("answer"), answer, page.project.id, seek);
  timeline.show({ seen: [...new Set(answer.turns.flatMap((turn) => turn.frames.map((one) => one.frame)))] });
}

export function fitSources() {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  page.source?.fit($("canvas-a").clientWidth * ratio);
  page.second?.source?.fit($("canvas-b").clientWidth * ratio);
}

// -- moving -----------------------------------------------------------------------------------

export function seek(frame) {
  if (!page.source) return;
  const last = page.project.video.num_frames - 1;
  const to = Math.min(last, Math.max(0, Math.round(frame)));
  player.pause();
  showFrame(to);
  rememberPlace();
}

function rememberPlace() {
  const place = new URLSearchParams({ video: page.name, frame: page.frame });
  history.replaceState(null, "", `#${place}`);
}

export function seekMark(way) {
  const frames = new Set(keyframes());
  for (const one of page.project.objects) for (const correction of one.corrections) frames.add(correction.frame);
  const sorted = [...frames].sort((a, b) => a - b);
  const to = way > 0 ? sorted.find((one) => one > page.frame) : sorted.reverse().find((one) => one < page.frame);
  if (to === undefined) tell(`There is no keyframe or correction ${way > 0 ? "after" : "before"} this frame.`);
  else seek(to);
}

function showPlaying(playing) {
  $("play").textContent = playing ? "❚❚ Pause" : "▶ Play";
  $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  if (!playing && page.source) {
    showFrame(page.frame);
    rememberPlace();
  }
}

// -- asking, comparing, exporting ----------------------------------------------------------------

export async function ask() {
  await attempt(async () => {
    const query = $("query").value;
    const comparing = $("compare").checked;
    page.askedAt = page.frame;
    await startWork("ask", { query, pipeline: $("pipeline").value });
    if (comparing) await askSecond(query);
    else closeSecond();
  });
}

// -- wiring -----------------------------------------------------------------------------------

function on(id, name, does) {
  $(id).addEventListener(name, does);
}

firstViewer.listen({
  onClick: clickAt,
  onBox: (box) => correct({ box }),
  wantsBox: () => page.mode === "box",
});
document.addEventListener("keydown", (event) => press(event) && event.preventDefault());
on("alert-close", "click", calm);
on("choose", "click", showChooser);
on("help-button", "click", openHelp);
on("file", "change", (event) => {
  const [file] = event.target.files;
  // So that the same file can be chosen again.
  event.target.value = "";
  if (file) attempt(() => sendFile(file));
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    const [file] = event.dataTransfer?.files ?? [];
    if (name === "drop" && file) attempt(() => sendFile(file));
  });
}
on("play", "click", () => player.toggle(page.frame));
on("first", "click", () => seek(0));
on("back", "click", () => seek(page.frame - 1));
on("next", "click", () => seek(page.frame + 1));
on("last", "click", () => seek(page.project.video.num_frames - 1));
on("frame", "change", () => seek(Number($("frame").value) || 0));
on("frame", "keydown", (event) => event.key === "Enter" && setTimeout(() => $("canvas-a").focus({ preventScroll: true })));
on("show-masks", "change", () => showFrame(page.frame));
on("opacity", "input", () => showFrame(page.frame));
for (const button of document.querySelectorAll("[data-mode]")) {
  button.addEventListener("click", () => setMode(button.dataset.mode));
}
on("hide", "click", () => act({ do: "hide", object: page.chosen }, `Object ${page.chosen} is not on frame ${page.frame}. Propagate to take it from the frames beside it.`));
on("forget", "click", () => act({ do: "forget", object: page.chosen }, `Forgot the clicks on frame ${page.frame}.`));
on("undo", "click", () => act({ do: "undo" }, (project) => `Undone: ${project.told}.`));
on("redo", "click", () => act({ do: "redo" }, (project) => `Done again: ${project.told}.`));
on("go-back", "click", () => propagate("backward"));
on("go-both", "click", () => propagate("both"));
on("go-on", "click", () => propagate("forward"));
on("cancel", "click", () => attempt(() => post(`/projects/${page.project.id}/cancel`)));
on("cancel-b", "click", () => attempt(() => post(`/projects/${page.second.project.id}/cancel`)));
on("add-object", "click", addObject);
on("ask", "submit", (event) => (event.preventDefault(), ask()));
on("compare", "change", () => {
  $("compare-row").hidden = !$("compare").checked;
  $("ask-button").textContent = $("compare").checked ? "Ask both" : "Ask";
  if (!$("compare").checked) closeSecond();
  if (page.source) showFrame(page.frame);
});
on("format", "change", showFormat);
on("export", "submit", (event) => (event.preventDefault(), exportMasks()));
window.addEventListener("resize", () => {
  fitSources();
  if (page.source) showFrame(page.frame);
});
$("keys").replaceChildren(
  ...KEYS.map(([keys, meaning]) => make("tr", {}, make("td", {}, make("kbd", {}, keys)), make("td", {}, meaning))),
);
setMode("add");

attempt(async () => {
  await showStart();
  const place = new URLSearchParams(location.hash.slice(1));
  const name = place.get("video") || page.start.video;
  if (name) await openVideo(name, Number(place.get("frame")) || 0);
  if (!page.project) {
    $("start").hidden = false;
    $("work").hidden = true;
  }
});
