// Requests to the studio; every failure becomes an Error whose message can be shown.

const PREFIX = "/studio";

async function readError(response) {
  let found = {};
  try {
    found = (await response.json()).error;
  } catch {
    // Not from the studio, such as a proxy.
  }
  const message = response.status === 401
    ? "The token is missing or wrong. Reload the page to sign in again."
    : found.message || `The studio answered with status ${response.status}. Its terminal has the reason.`;
  return Object.assign(new Error(message), { status: response.status, type: found.type ?? "" });
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(PREFIX + path, options);
  } catch {
    throw new Error("The studio does not answer. Start it again with “videoseg studio”, then reload this page: no correction is lost.");
  }
  if (!response.ok) throw await readError(response);
  return response;
}

export async function get(path, signal) {
  return (await request(path, { signal })).json();
}

export async function post(path, body = {}) {
  const response = await request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

export async function getPicture(path, signal) {
  const response = await request(path, { signal });
  return createImageBitmap(await response.blob());
}

export function pictureAddress(project, frame, width) {
  return `${PREFIX}/projects/${project}/frames/${frame}.jpg?width=${width}`;
}

/** Send a file, telling of progress from 0 to 1; resolves with the name of the video. */
export function upload(file, tell) {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open("POST", `${PREFIX}/uploads`);
    sender.responseType = "json";
    sender.upload.onprogress = (event) => event.lengthComputable && tell(event.loaded / event.total);
    sender.onload = () => {
      if (sender.status === 200) resolve(sender.response.video);
      else reject(new Error(sender.response?.error?.message ?? `The upload failed with status ${sender.status}.`));
    };
    sender.onerror = () => reject(new Error("The upload broke off. The studio may have refused it as too large, or has ended."));
    const form = new FormData();
    form.append("video", file);
    sender.send(form);
  });
}

/**
 * Hear news of a project until the result is closed. A browser holds few connections to one
 * studio, so that pages that nobody sees take none; the first news tells them everything.
 */
export function listen(project, onNews, onLost) {
  let source = null;
  const turn = () => {
    source?.close();
    source = document.hidden ? null : new EventSource(`${PREFIX}/projects/${project}/events`);
    if (!source) return;
    const mine = source;
    mine.onmessage = (event) => onNews(JSON.parse(event.data));
    mine.onerror = () => onLost(mine.readyState === EventSource.CLOSED);
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return {
    close() {
      document.removeEventListener("visibilitychange", turn);
      source?.close();
    },
  };
}
