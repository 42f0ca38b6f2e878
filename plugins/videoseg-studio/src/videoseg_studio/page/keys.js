// What the keys do; `KEYS` in panels.js tells of them.

import { act, addObject, choose, clickAt, setMode } from "./correct.js";
import { ask, firstViewer as first, player, seek, seekMark, showSide } from "./main.js";
import { $, page, tell } from "./state.js";

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

/** Choose the mode beside the one that is chosen, as arrows do in a group of choices. */
function turnMode(way) {
  const buttons = [...document.querySelectorAll("[data-mode]")];
  const at = buttons.findIndex((one) => one.dataset.mode === page.mode);
  const next = buttons[(at + way + buttons.length) % buttons.length];
  setMode(next.dataset.mode);
  next.focus();
  return true;
}

export function press(event) {
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
  if (event.key in MOVES && event.target.type === "range") return false;
  if (event.key in MOVES && event.target.dataset?.mode) return turnMode(MOVES[event.key]);
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

export function openHelp() {
  $("help").showModal();
  return true;
}
