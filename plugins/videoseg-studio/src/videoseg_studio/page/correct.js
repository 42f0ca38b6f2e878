// What a person does with objects: clicks, boxes, names, propagation.

import { post } from "./api.js";
import { firstViewer as first, player, refresh, showFrame, showSide, showWork, startWork, takeProject } from "./main.js";
import { capitalize, objectName } from "./panels.js";
import { $, attempt, page, tell } from "./state.js";

export async function act(body, told) {
  const frame = page.frame;
  return attempt(async () => {
    // Clicks before it come first.
    await page.queue;
    const project = await post(`/projects/${page.project.id}/do`, { frame, ...body });
    takeProject(project);
    if (told) tell(typeof told === "function" ? told(project) : told);
    await refresh();
    return project;
  });
}

export function choose(id) {
  page.chosen = id;
  showSide();
  showFrame(page.frame);
}

/** Add an object and select it. Clicks that come meanwhile wait, and are meant for it. */
export function addObject() {
  page.adding += 1;
  $("canvas-a").focus({ preventScroll: true });
  page.queue = page.queue.then(() =>
    attempt(async () => {
      try {
        await addAtOnce();
        tell("New object: click on it in the video, or drag a box around it.");
      } finally {
        page.adding -= 1;
      }
      await refresh();
    }),
  );
}

async function addAtOnce() {
  const project = await post(`/projects/${page.project.id}/do`, { do: "add" });
  page.chosen = Number(project.told);
  takeProject(project);
}

export function renameObject(id, label) {
  if (page.editing !== id) return;
  page.editing = 0;
  const object = page.project.objects.find((one) => one.id === id);
  if (label === null || !object || label.trim() === object.label) showSide();
  else act({ do: "rename", object: id, label }, `Object ${id} is called ${label.trim() || "nothing"}.`);
}

/** Send clicks one after another: each builds on those before. */
export function correct({ positive = [], negative = [], box = null }) {
  if (!page.source) return;
  if (player.playing) player.pause();
  const frame = page.frame;
  const meant = page.adding ? 0 : page.chosen;
  const waiting = [...positive.map(([x, y]) => ({ x, y, waiting: true, positive: true })), ...negative.map(([x, y]) => ({ x, y, waiting: true })), ...(box ? [{ box }] : [])];
  first.waiting.push(...waiting);
  first.redraw();
  page.queue = page.queue.then(() =>
    attempt(async () => {
      try {
        if (!page.chosen) await addAtOnce();
        const id = meant || page.chosen;
        const object = page.project.objects.find((one) => one.id === id);
        const here = object?.corrections.find((one) => one.frame === frame && one.origin === "user");
        const before = page.source.masksNow(frame)?.[id];
        const begin = performance.now();
        const project = await post(`/projects/${page.project.id}/correct`, {
          object: id,
          frame,
          points: [...(here?.points ?? []), ...positive],
          negative_points: [...(here?.negative_points ?? []), ...negative],
          box: box ?? here?.box ?? null,
          pipeline: $("pipeline").value,
        });
        page.source.putMasks(project.masks);
        takeProject(project);
        const took = ((performance.now() - begin) / 1000).toFixed(1);
        const about = `${capitalize(objectName(project.objects.find((one) => one.id === id)))} on frame ${frame}`;
        const same = before !== undefined && before === project.masks.frames[frame]?.[id];
        if (same && !box) tell(`${about}: nothing changed, since ${negative.length ? "the place is outside its mask" : "the place is in its mask"}.`);
        else tell(`${about}: new mask after ${took} s. Propagate to bring it into the other frames.`);
      } finally {
        first.waiting = first.waiting.filter((one) => !waiting.includes(one));
        first.redraw();
      }
      await refresh();
    }),
  );
}

export function clickAt(place, isSecond) {
  const takes = isSecond || page.mode === "take";
  correct(takes ? { negative: [place] } : { positive: [place] });
}

export function setMode(mode) {
  page.mode = mode;
  for (const one of document.querySelectorAll("[data-mode]")) {
    one.setAttribute("aria-checked", String(one.dataset.mode === mode));
    one.tabIndex = one.dataset.mode === mode ? 0 : -1;
  }
}

export function propagate(way) {
  return attempt(async () => {
    await page.queue;
    const { pending, video } = page.project;
    const seconds = Number($("reach").value);
    await startWork("propagate", {
      way,
      pipeline: $("pipeline").value,
      reach: seconds ? Math.max(1, Math.round(seconds * video.fps)) : null,
      ...(pending ? {} : { frame: page.frame, objects: [page.chosen] }),
    });
  });
}
