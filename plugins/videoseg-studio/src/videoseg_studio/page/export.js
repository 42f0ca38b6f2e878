// Exports: their formats, and the link to what was written.

import { startWork } from "./main.js";
import { FORMAT_NOTES } from "./panels.js";
import { $, attempt, page } from "./state.js";

export function showFormat() {
  $("format-about").textContent = FORMAT_NOTES[$("format").value] ?? "";
}

export async function exportMasks() {
  $("download").hidden = true;
  await attempt(async () => {
    await startWork("export", { format: $("format").value, frames: $("format").value === "coco" });
  });
}

export function offerDownload({ file, bytes }) {
  const link = $("download");
  link.href = `/studio/projects/${page.project.id}/exports/${encodeURIComponent(file)}`;
  link.textContent = `Download ${file} (${(bytes / 1e6).toFixed(1)} MB)`;
  link.download = file;
  link.hidden = false;
}
