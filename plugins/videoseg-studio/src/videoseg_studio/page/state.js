// What is open and shown, and the messages about it.

import { capitalize } from "./panels.js";

export const $ = (id) => document.getElementById(id);

export const page = {
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
  answeredBy: "", // which answer is shown
  adding: 0, // objects that are being added
  reopen: null, // opens the video again, once one is open
  queue: Promise.resolve(),
};

export function complain(error) {
  $("alert-text").textContent = capitalize(error.message ?? String(error));
  $("alert").hidden = false;
}

export function tell(text) {
  $("status").textContent = text;
}

export function calm() {
  $("alert").hidden = true;
}

/** Run what a person started; what goes wrong is shown. */
export async function attempt(act, { calms = true } = {}) {
  if (calms) calm();
  try {
    return await act();
  } catch (error) {
    if (error.status === 404 && error.type === "RequestError" && page.reopen) {
      // The studio was started again; it has the project, but has not opened it yet.
      await page.reopen();
      complain("The studio was started again, and the video is open again. Repeat what you did last.");
    } else complain(error);
    return undefined;
  }
}
