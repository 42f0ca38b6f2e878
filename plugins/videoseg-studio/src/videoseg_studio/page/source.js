// Frames and masks of one project, fetched when they are needed and kept within bounds.

import { get, getPicture } from "./api.js";

const KEPT_PICTURES = 48;
const CHUNK = 16;
const KEPT_CHUNKS = 16;
const WIDTHS = [480, 640, 854, 1280, 1920];

export class Source {
  constructor(key, video) {
    this.key = key;
    this.video = video;
    this.revision = 0;
    this.width = Math.min(854, video.width);
    this.pictures = new Map();
    this.chunks = new Map();
    this.asked = new Map();
  }

  /** Choose how wide pictures are fetched, for a canvas that is shown so many pixels wide. */
  fit(pixels) {
    const wanted = WIDTHS.find((one) => one >= pixels) ?? this.video.width;
    const width = Math.min(wanted, this.video.width);
    if (width === this.width) return;
    this.width = width;
    this.forgetPictures();
  }

  has(frame) {
    return this.pictures.has(frame);
  }

  /** Return the picture of a frame. */
  picture(frame) {
    const known = this.pictures.get(frame);
    if (known) {
      // The one used last goes last.
      this.pictures.delete(frame);
      this.pictures.set(frame, known);
      return Promise.resolve(known);
    }
    if (!this.asked.has(frame)) {
      const width = this.width === this.video.width ? 0 : this.width;
      const made = getPicture(`/projects/${this.key}/frames/${frame}.jpg?width=${width}`)
        .then((picture) => {
          this.pictures.set(frame, picture);
          for (const [old, one] of this.pictures) {
            if (this.pictures.size <= KEPT_PICTURES) break;
            this.pictures.delete(old);
            one.close();
          }
          return picture;
        })
        .finally(() => this.asked.delete(frame));
      this.asked.set(frame, made);
    }
    return this.asked.get(frame);
  }

  /** Fetch what comes next, a few at a time. */
  prefetch(frame, count) {
    const end = Math.min(this.video.num_frames, frame + count);
    for (let one = frame; one < end && this.asked.size < 5; one++) {
      if (!this.has(one)) this.picture(one).catch(() => {});
    }
    if (end > frame) this.masks(end - 1).catch(() => {});
  }

  /** Return the masks of a frame by object, as compressed runs. */
  async masks(frame) {
    const start = Math.floor(frame / CHUNK) * CHUNK;
    let chunk = this.chunks.get(start);
    if (!chunk || chunk.revision < this.revision) {
      const revision = this.revision;
      const answer = get(`/projects/${this.key}/masks?start=${start}&count=${CHUNK}`);
      // What is shown stays until the new masks are here.
      chunk = { revision, answer, frames: chunk?.frames };
      this.chunks.delete(start);
      this.chunks.set(start, chunk);
      answer.then((found) => (chunk.frames = found.frames), () => this.chunks.delete(start));
      for (const old of this.chunks.keys()) {
        if (this.chunks.size <= KEPT_CHUNKS) break;
        this.chunks.delete(old);
      }
    }
    await chunk.answer;
    return chunk.frames[frame] ?? {};
  }

  /** Return the masks of a frame if they are here, else undefined. */
  masksNow(frame) {
    const chunk = this.chunks.get(Math.floor(frame / CHUNK) * CHUNK);
    return chunk?.frames ? chunk.frames[frame] ?? {} : undefined;
  }

  /** Put in the masks of one frame that came with the answer to a click. */
  putMasks(found) {
    for (const [frame, masks] of Object.entries(found.frames)) {
      const chunk = this.chunks.get(Math.floor(frame / CHUNK) * CHUNK);
      if (chunk?.frames) chunk.frames[frame] = masks;
    }
  }

  forgetPictures() {
    for (const one of this.pictures.values()) one.close();
    this.pictures.clear();
    this.asked.clear();
  }

  close() {
    this.forgetPictures();
    this.chunks.clear();
  }
}
