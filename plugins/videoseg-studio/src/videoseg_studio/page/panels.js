// The parts of the page beside the video: objects, reasoning, progress, videos.
// Whatever comes from files, models or people is set as text, never as HTML.

import { pictureAddress } from "./api.js";

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("aria-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export function objectName(object) {
  return object.label || `object ${object.id}`;
}

function swatch(object) {
  const [red, green, blue] = object.color;
  const light = 0.299 * red + 0.587 * green + 0.114 * blue > 140;
  const element = make("span", { class: "swatch", "aria-hidden": "true" }, String(object.id));
  element.style.background = `rgb(${object.color.join(" ")})`;
  element.style.color = light ? "#000" : "#fff";
  return element;
}

/** List the objects. `does` has choose, rename, remove, toggle. */
export function showObjects(list, objects, { chosen, hidden, editing }, does) {
  // What is being typed stays, whatever news comes meanwhile.
  if (editing && list.querySelector(`.rename[data-id="${editing}"]`)) return;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  list.replaceChildren(
    ...objects.map((object) => {
      const name = objectName(object);
      const isHidden = hidden.includes(object.id);
      const row = make("li", { class: object.id === chosen ? "chosen" : "" });
      if (editing === object.id) {
        const field = make("input", { class: "rename", value: object.label, maxLength: 80, "aria-label": `Name of object ${object.id}` });
        field.dataset.id = object.id;
        field.addEventListener("keydown", (event) => {
          if (event.key === "Enter") does.rename(object.id, field.value);
          if (event.key === "Escape") does.rename(object.id, null);
          event.stopPropagation();
        });
        field.addEventListener("blur", () => does.rename(object.id, field.value));
        row.append(swatch(object), field);
        queueMicrotask(() => field.focus());
        return row;
      }
      const button = (key, label, text, act, more = {}) => {
        const one = make("button", { type: "button", class: "small", title: label, "aria-label": label, onclick: act, ...more }, text);
        one.dataset.key = `${key}-${object.id}`;
        return one;
      };
      const pick = make("button", { type: "button", class: "pick", "aria-pressed": String(object.id === chosen), onclick: () => does.choose(object.id) }, swatch(object), make("span", {}, name));
      pick.dataset.key = `pick-${object.id}`;
      row.append(
        pick,
        button("toggle", `${isHidden ? "Show" : "Hide"} ${name}`, isHidden ? "show" : "hide", () => does.toggle(object.id), { "aria-pressed": String(isHidden) }),
        button("rename", `Rename ${name}`, "rename", () => does.edit(object.id)),
        button("remove", `Remove ${name} (Del)`, "✕", () => does.remove(object.id)),
      );
      return row;
    }),
  );
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** Show the reasoning turn by turn, beside the frames that were looked at. */
export function showAnswer(place, answer, project, seek) {
  const said = {
    answered: "Answered",
    guessed: "A guess: part of the question could not be judged",
    absent: "Not in this video, as far as was seen",
  };
  const facts = [said[answer.status] ?? answer.status];
  if (answer.keyframe !== null) facts.push(`localized on frame ${answer.keyframe}`);
  if (answer.confidence !== null) facts.push(`confidence ${answer.confidence.toFixed(2)}`);
  if (answer.pipeline) facts.push(`pipeline ${answer.pipeline}`);
  const children = [make("p", { class: "answer-line" }, `“${answer.query}”: ${facts.join(" · ")}.`)];
  if (answer.warnings.length) {
    children.push(make("ul", { class: "warnings" }, ...answer.warnings.map((text) => make("li", {}, text))));
  }
  answer.turns.forEach((turn, index) => {
    const part = make("div", { class: "turn" });
    part.append(make("h3", {}, `Turn ${index + 1} of ${answer.turns.length}: looked at ${turn.num_frames} frame${turn.num_frames === 1 ? "" : "s"}`));
    const film = make("div", { class: "film", "aria-label": "Frames looked at", role: "group", tabIndex: -1 });
    for (const { frame, role } of turn.frames) {
      const isKey = role === "keyframe" || frame === turn.keyframe;
      film.append(
        make("button", { type: "button", class: isKey ? "key" : "", title: `Go to frame ${frame}`, "aria-label": `Go to frame ${frame}${isKey ? ", keyframe" : ""}`, onclick: () => seek(frame) },
          make("img", { loading: "lazy", src: pictureAddress(project, frame, 160), alt: "" }), String(frame)),
      );
    }
    part.append(film);
    if (turn.reason) part.append(make("p", {}, turn.reason));
    for (const [name, text] of Object.entries(turn.parts)) {
      part.append(make("p", {}, make("b", {}, `${name}: `), text));
    }
    const where = turn.window ? ` frames ${turn.window[0]}–${turn.window[1]}` : "";
    const key = turn.keyframe === null ? "" : `, keyframe ${turn.keyframe}`;
    part.append(make("p", {}, turn.action === "answer" ? `→ Answered:${where || " the video"}${key}.` : `→ Looked again at${where || " the video"}${key}.`));
    if (turn.stop_reason) part.append(make("p", {}, turn.stop_reason));
    children.push(part);
  });
  place.replaceChildren(...children);
}

/** Return a line about work that is running or has ended. */
export function describeWork(work) {
  const seconds = `${Math.round(work.seconds)} s`;
  if (work.status !== "running") return `${work.message} (${seconds})`;
  if (work.cancelling) return "Cancelling; what is running now ends first…";
  const frames = work.total ? `, frame ${work.done} of ${work.total}` : "";
  const left = work.done > 10 && work.total ? (work.seconds / work.done) * (work.total - work.done) : 0;
  const rest = left > 2 ? `, about ${Math.round(left)} s left` : "";
  return `${capitalize(work.title)}: ${work.note || "beginning"}${frames}${rest} (${seconds})`;
}

export function capitalize(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const FORMAT_NOTES = {
  result: "The result folder: result.json, masks, a video with the masks, and the report.",
  png: "A black-and-white picture for each object and frame.",
  davis: "Indexed pictures with the palette of DAVIS.",
  "youtube-vos": "Indexed pictures and meta.json.",
  "youtube-vis": "One JSON file with the tracks of all objects.",
  coco: "Instances with track_id, for pycocotools, CVAT, FiftyOne and supervision.",
  yolo: "Frames and a polygon for each object, to train YOLO.",
  cvat: "CVAT for video 1.1: tracks of polygons.",
  "label-studio": "Tasks with brush labels, and the frames.",
  matte: "Videos: alpha, cut-out on green, and a blurred background.",
};

export const KEYS = [
  ["space", "play or pause"],
  ["← →", "one frame back or on; with Shift ten"],
  ["Home End", "first or last frame"],
  ["[ ]", "the keyframe or correction before or after"],
  ["click", "add to the selected object; a right click removes"],
  ["drag", "a box around the object"],
  ["+ − b", "what a click does: add, remove, box (for touch screens)"],
  ["c", "a cursor for the keyboard: arrows move it, Enter clicks, − removes, Esc ends"],
  ["n", "new object"],
  ["1 … 9", "select an object"],
  ["r", "rename the selected object"],
  ["Del", "remove the selected object"],
  ["h", "the object is not on this frame"],
  ["x", "forget the clicks on this frame"],
  ["p", "propagate what changed"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["m", "show or hide masks"],
  ["/", "to the question"],
  ["Esc", "cancel what is running"],
  ["?", "this help"],
];
