// Choosing a video: those that are there, and uploads.

import { get, post, upload } from "./api.js";
import { showFormat } from "./export.js";
import { openVideo } from "./main.js";
import { make } from "./panels.js";
import { $, attempt, page } from "./state.js";

export async function showStart() {
  page.start = await get("/start");
  $("videos").replaceChildren(
    ...page.start.videos.map((name) => {
      const isUpload = name.startsWith("upload:");
      const shown = name.replace(/^upload:[^/]*\//, "uploaded: ");
      const row = make("li", {}, make("button", { type: "button", class: "pick", onclick: () => openVideo(name) }, shown));
      if (isUpload) row.append(make("button", { type: "button", title: `Delete ${shown}`, "aria-label": `Delete ${shown}`, onclick: () => deleteUpload(name, shown) }, "✕"));
      return row;
    }),
  );
  $("no-videos").hidden = page.start.videos.length > 0;
  $("videos-title").hidden = !page.start.videos.length;
  const option = (one) => make("option", { value: one.name, disabled: !one.usable }, one.usable ? one.name : `${one.name} – ${one.why}`);
  for (const id of ["pipeline", "pipeline-b"]) $(id).replaceChildren(...page.start.pipelines.map(option));
  const other = page.start.pipelines.filter((one) => one.usable)[1];
  if (other) $("pipeline-b").value = other.name;
  // A pipeline agrees with itself.
  $("compare").closest("label").hidden = !other;
  $("format").replaceChildren(...page.start.formats.map((name) => make("option", { value: name }, name)));
  if (page.start.formats.includes("coco")) $("format").value = "coco";
  showFormat();
}

function deleteUpload(name, shown) {
  if (!confirm(`Delete ${shown} with all its corrections and exports? This cannot be undone.`)) return;
  attempt(async () => {
    await post("/uploads/delete", { video: name });
    await showStart();
  });
}

export async function sendFile(file) {
  // A file may be dropped before the page knows what the studio offers.
  if (!page.start) await showStart();
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
