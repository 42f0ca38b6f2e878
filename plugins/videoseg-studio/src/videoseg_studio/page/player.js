// The clock of playback: shows the frame that is due, waits for pictures that are not here yet.

const AHEAD = 20;

export class Player {
  /** `show(frame)` shows a frame; `changed(playing)` is told; `sources()` are fetched ahead. */
  constructor({ show, changed, sources }) {
    this.show = show;
    this.changed = changed;
    this.sources = sources;
    this.playing = false;
    this.video = null;
    this.at = 0;
    this.since = 0;
  }

  open(video) {
    this.video = video;
    this.playing = false;
  }

  toggle(frame) {
    if (this.playing) this.pause();
    else this.play(frame);
  }

  play(frame) {
    if (!this.video) return;
    this.at = frame >= this.video.num_frames - 1 ? 0 : frame;
    this.since = performance.now();
    this.playing = true;
    this.changed(true);
    requestAnimationFrame(() => this.tick());
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.changed(false);
  }

  tick() {
    if (!this.playing) return;
    const now = performance.now();
    const rate = this.video.fps > 0 ? this.video.fps : 24;
    const passed = Math.floor(((now - this.since) * rate) / 1000);
    const last = this.video.num_frames - 1;
    const due = Math.min(last, this.at + passed);
    if (passed > 0) {
      const sources = this.sources();
      if (sources.every((one) => one.has(due) && one.masksNow(due))) {
        this.since += (passed * 1000) / rate;
        this.at = due;
        this.show(due);
      } else {
        // The frame is late: time stands still until it is here.
        const next = Math.min(last, this.at + 1);
        this.since = now - 1000 / rate;
        for (const one of sources) {
          one.picture(next).catch(() => this.pause());
          one.masks(next).catch(() => this.pause());
        }
      }
    }
    for (const one of this.sources()) one.prefetch(this.at + 1, AHEAD);
    if (this.at >= last) this.pause();
    else requestAnimationFrame(() => this.tick());
  }
}
