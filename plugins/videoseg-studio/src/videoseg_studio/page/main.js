// The page: what is open, what is shown, and what keys and buttons do.

import { get, listen, post, upload } from "./api.js";
import { FORMAT_NOTES, KEYS, capitalize, describeWork, make, objectName, showAnswer, showObjects } from "./panels.js";
import { Player } from "./player.js";
import { Source } from "./source.js";
import { Timeline } from "./timeline.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);

const page = {
  start: null, // what the studio offers
  name: "", // the video that is open
  project: null, // what the studio knows of it
  source: null,
  second: null, // {project, source, events} of the second pipeline
  events: null,
  frame: 0,
  chosen: 0,
  hidden: [],
  editing: 0,
  mode: "add",
  cursor: false,
  answeredBy: "", // which answer is shown
  adding: 0, // objects that are being added
  queue: Promise.resolve(),
};

const first = new Viewer($("canvas-a"));
const second = new Viewer($("canvas-b"));
const timeline = new Timeline($("timeline"), (frame) => seek(frame));
const player = new Player({ show: (frame) => showFrame(frame), changed: showPlaying, sources: () => [page.source, page.second?.source].filter(Boolean) });

// -- messages ---------------------------------------------------------------------------------

function complain(error) {
  $("alert-text").textContent = capitalize(error.message ?? String(error));
  $("alert").hidden = false;
}

function tell(text) {
  $("status").textContent = text;
}

function calm() {
  $("alert").hidden = true;
}

/** Run what a person started; what goes wrong is shown. */
async function attempt(act, { calms = true } = {}) {
  if (calms) calm();
  try {
    return await act();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

// -- choosing a video ---------------------------------------------------------------------------

async function showStart() {
  page.start = await get("/start");
  $("videos").replaceChildren(
    ...page.start.videos.map((name) =>
      make("li", {}, make("button", { type: "button", onclick: () => openVideo(name) }, name.replace(/^upload:[^/]*\//, "uploaded: "))),
    ),
  );
  $("no-videos").hidden = page.start.videos.length > 0;
  $("videos-title").hidden = !page.start.videos.length;
  const option = (one) => make("option", { value: one.name, disabled: !one.usable }, one.usable ? one.name : `${one.name} – ${one.why}`);
  for (const id of ["pipeline", "pipeline-b"]) $(id).replaceChildren(...page.start.pipelines.map(option));
  const other = page.start.pipelines.filter((one) => one.usable)[1];
  if (other) $("pipeline-b").value = other.name;
  $("format").replaceChildren(...page.start.formats.map((name) => make("option", { value: name }, name)));
  if (page.start.formats.includes("coco")) $("format").value = "coco";
  showFormat();
}

function showChooser() {
  closeVideo();
  history.replaceState(null, "", location.pathname);
  $("start").hidden = false;
  $("work").hidden = true;
  $("choose").hidden = true;
  $("video-name").textContent = "";
  showStart().catch(complain);
}

async function sendFile(file) {
  const { max_upload_bytes: most } = page.start;
  if (file.size > most) {
    throw new Error(`This file has ${Math.ceil(file.size / 1e6)} MB; at most ${Math.floor(most / 1e6)} MB are taken. Copy it into the project folder instead, or start the studio with a larger --max-upload.`);
  }
  const bar = $("upload");
  bar.hidden = false;
  try {
    const name = await upload(file, (share) => (bar.value = share));
    await openVideo(name);
  } finally {
    bar.hidden = true;
    bar.value = 0;
  }
}

function closeVideo() {
  player.pause();
  page.events?.close();
  page.source?.close();
  closeSecond();
  workShown = "";
  Object.assign(page, { project: null, source: null, events: null, frame: 0, chosen: 0, hidden: [], answeredBy: "", name: "" });
  $("download").hidden = true;
}

async function openVideo(name, frame = 0) {
  await attempt(async () => {
    closeVideo();
    const project = await post("/projects", { video: name });
    page.name = name;
    page.frame = frame;
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
      first.resize(picture.width, picture.height);
      first.draw(picture, {});
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
  first.resize(video.width, video.height);
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
    refresh().catch(complain);
  }
}

function lose(isOver) {
  if (!isOver && page.source) {
    complain("The studio does not answer; trying again. Corrections that you have seen are kept. If it has ended, start it again.");
    $("alert").dataset.lost = "1";
  } else if (isOver) {
    complain("The connection to the studio is gone. Start it again if it has ended, then reload this page.");
  }
}

let workShown = "";
let workEnded = 0;

/** Start work; what the studio then tells of it may come before its answer. */
async function startWork(action, body) {
  if (!workShown) workShown = " ";
  const { work } = await post(`/projects/${page.project.id}/${action}`, body);
  showWork(work);
}

function showWork(work, label = "") {
  if (!work) return;
  if (work.status !== "running") workEnded = Math.max(workEnded, work.number);
  else if (work.number <= workEnded) return;
  const running = work.status === "running";
  $("progress").hidden = !running;
  $("progress-text").textContent = label + describeWork(work);
  if (work.total) {
    $("progress-bar").max = work.total;
    $("progress-bar").value = work.done;
  } else $("progress-bar").removeAttribute("value");
  for (const id of ["ask-button", "go-back", "go-both", "go-on", "export-button"]) $(id).disabled = running;
  if (!running) showPending();
  const key = `${label}${work.number} ${work.status}`;
  const before = workShown;
  workShown = key;
  if (running || !before || before === key) return;
  if (work.status === "failed") complain(new Error(work.message));
  else tell(capitalize(label + describeWork(work)));
  if (work.kind === "export" && work.result.file) offerDownload(work.result);
  const ended = async () => {
    takeProject(await get(`/projects/${page.project.id}`));
    await refresh();
    const [keyframe] = keyframes();
    if (work.kind === "ask" && page.frame === page.askedAt && keyframe !== undefined) seek(keyframe);
  };
  attempt(ended, { calms: false });
}

function takeProject(project) {
  page.project = project;
  if (page.source) page.source.revision = Math.max(page.source.revision, project.revision);
  if (!project.objects.some((one) => one.id === page.chosen)) page.chosen = project.objects.at(-1)?.id ?? 0;
  if (project.work && !workShown) workShown = project.work.status === "running" ? "running" : " ";
  showWork(project.work);
  showSide();
}

// -- showing ----------------------------------------------------------------------------------

function showSide() {
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
async function showFrame(frame) {
  if (!page.source) return;
  const number = ++shown;
  const source = page.source;
  page.frame = frame;
  showCaption();
  showPending();
  timeline.show({ frame });
  try {
    await Promise.all([
      drawOne(first, source, page.project, frame, () => number === shown, true),
      page.second?.source && drawOne(second, page.second.source, page.second.project, frame, () => number === shown, false),
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
async function refresh() {
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

function fitSources() {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  page.source?.fit($("canvas-a").clientWidth * ratio);
  page.second?.source?.fit($("canvas-b").clientWidth * ratio);
}

// -- moving -----------------------------------------------------------------------------------

function seek(frame) {
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

function seekMark(way) {
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

// -- correcting --------------------------------------------------------------------------------

async function act(body, told) {
  return attempt(async () => {
    const project = await post(`/projects/${page.project.id}/do`, { frame: page.frame, ...body });
    takeProject(project);
    if (told) tell(typeof told === "function" ? told(project) : told);
    await refresh();
    return project;
  });
}

function choose(id) {
  page.chosen = id;
  showSide();
  showFrame(page.frame);
}

/** Add an object and select it. Clicks that come meanwhile wait, and are meant for it. */
function addObject() {
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

function renameObject(id, label) {
  if (page.editing !== id) return;
  page.editing = 0;
  const object = page.project.objects.find((one) => one.id === id);
  if (label === null || !object || label.trim() === object.label) showSide();
  else act({ do: "rename", object: id, label }, `Object ${id} is called ${label.trim() || "nothing"}.`);
}

/** Send clicks one after another: each builds on those before. */
function correct({ positive = [], negative = [], box = null }) {
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
        tell(`${capitalize(objectName(project.objects.find((one) => one.id === id)))} on frame ${frame}: new mask after ${took} s. Propagate to bring it into the other frames.`);
      } finally {
        first.waiting = first.waiting.filter((one) => !waiting.includes(one));
        first.redraw();
      }
      await refresh();
    }),
  );
}

function clickAt(place, isSecond) {
  const takes = isSecond || page.mode === "take";
  correct(takes ? { negative: [place] } : { positive: [place] });
}

function setMode(mode) {
  page.mode = mode;
  for (const one of document.querySelectorAll("[data-mode]")) {
    one.setAttribute("aria-checked", String(one.dataset.mode === mode));
    one.tabIndex = one.dataset.mode === mode ? 0 : -1;
  }
}

function propagate(way) {
  return attempt(async () => {
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

// -- asking, comparing, exporting ----------------------------------------------------------------

async function ask() {
  await attempt(async () => {
    const query = $("query").value;
    const comparing = $("compare").checked;
    page.askedAt = page.frame;
    await startWork("ask", { query, pipeline: $("pipeline").value });
    if (comparing) await askSecond(query);
    else closeSecond();
  });
}

async function askSecond(query) {
  closeSecond();
  const key = await post("/projects", { video: page.name, variant: "compare" });
  let project = key;
  while (project.status === "opening") {
    await new Promise((resolve) => setTimeout(resolve, 300));
    project = await get(`/projects/${project.id}`);
  }
  if (project.status === "failed") throw new Error(project.error);
  const source = new Source(project.id, project.video);
  source.revision = project.revision;
  const pipeline = $("pipeline-b").value;
  page.second = { project, source, pipeline, events: null, was: "running" };
  $("view-b").hidden = false;
  $("views").classList.add("two");
  second.resize(project.video.width, project.video.height);
  await post(`/projects/${project.id}/ask`, { query, pipeline });
  page.second.events = listen(project.id, takeSecondNews, () => {});
  fitSources();
  await showFrame(page.frame);
}

async function takeSecondNews(news) {
  const { second: other } = page;
  if (!other) return;
  const running = news.work?.status === "running";
  $("caption-b").textContent = `B: ${other.pipeline}. ${news.work ? describeWork(news.work) : ""}`;
  if (news.revision > other.source.revision) {
    other.source.revision = news.revision;
    other.project = await get(`/projects/${other.project.id}`);
    if (page.second === other) await showFrame(page.frame);
  }
  if (!running) await showAgreement();
}

async function showAgreement() {
  if (!page.second) return;
  const found = await attempt(() => get(`/projects/${page.project.id}/agreement/${page.second.project.id}`));
  if (!found || !page.second) return;
  $("agreement").hidden = false;
  $("agreement").textContent = found.mean === null
    ? "Neither pipeline has found anything."
    : `The masks of A and B share ${Math.round(100 * found.mean)} % (mean overlap, IoU). The lowest row of the timeline shows where: green is agreement, red is not.`;
  timeline.show({ agreement: found });
}

function closeSecond() {
  page.second?.events?.close();
  page.second?.source.close();
  page.second = null;
  $("view-b").hidden = true;
  $("views").classList.remove("two");
  $("agreement").hidden = true;
  timeline.show({ agreement: null });
}

function showFormat() {
  $("format-about").textContent = FORMAT_NOTES[$("format").value] ?? "";
}

async function exportMasks() {
  $("download").hidden = true;
  await attempt(async () => {
    await startWork("export", { format: $("format").value, frames: $("format").value === "coco" });
  });
}

function offerDownload({ file, bytes }) {
  const link = $("download");
  link.href = `/studio/projects/${page.project.id}/exports/${encodeURIComponent(file)}`;
  link.textContent = `Download ${file} (${(bytes / 1e6).toFixed(1)} MB)`;
  link.download = file;
  link.hidden = false;
}

// -- keys -------------------------------------------------------------------------------------

const MOVES = { ArrowLeft: -1, ArrowRight: 1 };

function pressCursor(event) {
  const step = (event.shiftKey ? 20 : 4) * first.scale;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const { width, height } = first.canvas;
  if (moves[event.key]) {
    const [x, y] = first.cursor;
    const [dx, dy] = moves[event.key];
    first.cursor = [Math.min(width - 1, Math.max(0, x + dx)), Math.min(height - 1, Math.max(0, y + dy))];
    tell(`Cursor at ${Math.round(first.cursor[0])}, ${Math.round(first.cursor[1])}`);
  } else if (event.key === "Enter") clickAt(first.cursor, event.shiftKey);
  else if (event.key === "-") clickAt(first.cursor, true);
  else if (event.key === "Escape" || event.key === "c") first.cursor = null;
  else return false;
  first.redraw();
  return true;
}

function press(event) {
  if (!page.source || $("help").open) return event.key === "?" && !isTyping(event) && openHelp();
  const undoes = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (isTyping(event)) {
    if (event.key === "Enter" && event.target.id === "query" && !event.shiftKey) return ask() && true;
    if (event.key === "Escape") return event.target.blur() ?? true;
    return false;
  }
  if (undoes) {
    const key = event.key.toLowerCase();
    if (key === "z") return click(event.shiftKey ? "redo" : "undo");
    if (key === "y") return click("redo");
    return false;
  }
  if (event.altKey) return false;
  if (first.cursor && pressCursor(event)) return true;
  if (event.key in MOVES) return seek(page.frame + MOVES[event.key] * (event.shiftKey ? 10 : 1)) ?? true;
  const onButton = event.target.closest("button, a, summary");
  if ((event.key === " " || event.key === "Enter") && onButton) return false;
  if (/^[1-9]$/.test(event.key)) {
    const object = page.project.objects[Number(event.key) - 1];
    if (object) choose(object.id);
    return Boolean(object);
  }
  const does = {
    " ": () => player.toggle(page.frame),
    Home: () => seek(0),
    End: () => seek(page.project.video.num_frames - 1),
    "[": () => seekMark(-1),
    "]": () => seekMark(1),
    "+": () => setMode("add"),
    "-": () => setMode("take"),
    b: () => setMode("box"),
    c: () => {
      first.cursor = [first.canvas.width / 2, first.canvas.height / 2];
      tell("Cursor: arrows move it, Enter adds, − removes, Esc ends.");
      first.redraw();
    },
    n: addObject,
    r: () => page.chosen && ((page.editing = page.chosen), showSide()),
    Delete: () => page.chosen && act({ do: "remove", object: page.chosen }, `Removed object ${page.chosen}; undo brings it back.`),
    h: () => click("hide"),
    x: () => click("forget"),
    p: () => click("go-both"),
    m: () => $("show-masks").click(),
    "/": () => $("query").focus(),
    Escape: () => !$("progress").hidden && click("cancel"),
    "?": openHelp,
  }[event.key];
  if (!does) return false;
  does();
  return true;
}

function isTyping(event) {
  const { target } = event;
  return target.closest("textarea, select, dialog") || (target.closest("input") && !["checkbox", "range"].includes(target.type));
}

function click(id) {
  if ($(id).disabled) tell($(id).title);
  else $(id).click();
  return true;
}

function openHelp() {
  $("help").showModal();
  return true;
}

// -- wiring -----------------------------------------------------------------------------------

function on(id, name, does) {
  $(id).addEventListener(name, does);
}

first.listen({
  onClick: clickAt,
  onBox: (box) => correct({ box }),
  wantsBox: () => page.mode === "box",
});
document.addEventListener("keydown", (event) => press(event) && event.preventDefault());
on("alert-close", "click", calm);
on("choose", "click", showChooser);
on("help-button", "click", openHelp);
on("file", "change", (event) => event.target.files[0] && attempt(() => sendFile(event.target.files[0])));
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
