// One canvas: a frame, its masks, and the clicks on it.

import { drawMasks } from "./runs.js";

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layer = new OffscreenCanvas(1, 1);
    this.layerContext = this.layer.getContext("2d", { willReadFrequently: true });
    this.drawn = "";
    this.box = null;
    this.cursor = null;
    this.waiting = [];
    this.last = null;
  }

  resize(width, height) {
    for (const one of [this.canvas, this.layer]) {
      one.width = width;
      one.height = height;
    }
    this.canvas.style.setProperty("--ratio", width / height);
    this.drawn = "";
  }

  /** How many pixels of the video one pixel of the screen is. */
  get scale() {
    return this.canvas.width / Math.max(1, this.canvas.clientWidth);
  }

  /** Return where a pointer is, in pixels of the video. */
  place(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) * this.canvas.width) / bounds.width;
    const y = ((event.clientY - bounds.top) * this.canvas.height) / bounds.height;
    return [
      Math.min(this.canvas.width - 0.5, Math.max(0, Math.round(x * 10) / 10)),
      Math.min(this.canvas.height - 0.5, Math.max(0, Math.round(y * 10) / 10)),
    ];
  }

  /** Draw a frame. `look` has frame, masks, colors, opacity, chosen, hidden, marks. */
  draw(picture, look) {
    this.last = [picture, look];
    const { context, canvas } = this;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    if (look.masks) {
      const key = JSON.stringify([look.opacity, look.chosen, look.hidden, look.masks]);
      if (key !== this.drawn) {
        drawMasks(this.layerContext, look.masks, look.colors, {
          opacity: look.opacity,
          chosen: look.chosen,
          only: (id) => !look.hidden.includes(id),
        });
        this.drawn = key;
      }
      context.drawImage(this.layer, 0, 0);
    }
    for (const mark of look.marks ?? []) this.drawMark(mark);
    for (const mark of this.waiting) this.drawMark(mark);
    if (this.box) this.drawBox(this.box);
    if (this.cursor) this.drawCursor(this.cursor);
  }

  redraw() {
    if (this.last) this.draw(...this.last);
  }

  drawMark({ x, y, positive, box, waiting }) {
    if (box) {
      this.drawBox(box);
      return;
    }
    const { context, scale } = this;
    const radius = 7 * scale;
    context.lineWidth = 2 * scale;
    context.strokeStyle = "#fff";
    context.fillStyle = waiting ? "#777" : positive ? "#12803a" : "#c1121f";
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(x - radius / 2, y);
    context.lineTo(x + radius / 2, y);
    if (positive) {
      context.moveTo(x, y - radius / 2);
      context.lineTo(x, y + radius / 2);
    }
    context.stroke();
  }

  drawBox([x1, y1, x2, y2]) {
    const { context, scale } = this;
    for (const [color, dash] of [["#000", []], ["#fff", [6 * scale, 4 * scale]]]) {
      context.strokeStyle = color;
      context.setLineDash(dash);
      context.lineWidth = 2 * scale;
      context.strokeRect(Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1));
    }
    context.setLineDash([]);
  }

  drawCursor([x, y]) {
    const { context, scale } = this;
    for (const [color, width] of [["#000", 4], ["#ff0", 2]]) {
      context.strokeStyle = color;
      context.lineWidth = width * scale;
      context.beginPath();
      context.moveTo(x - 14 * scale, y);
      context.lineTo(x + 14 * scale, y);
      context.moveTo(x, y - 14 * scale);
      context.lineTo(x, y + 14 * scale);
      context.stroke();
    }
  }

  /** Call `onClick(place, isSecond)` and `onBox(corners)` for what is done with a pointer. */
  listen({ onClick, onBox, wantsBox }) {
    const canvas = this.canvas;
    let from = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 && event.button !== 2) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      from = { place: this.place(event), x: event.clientX, y: event.clientY, button: event.button };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const far = Math.hypot(event.clientX - from.x, event.clientY - from.y) > 6;
      if (far && from.button === 0) {
        this.box = [...from.place, ...this.place(event)];
        this.redraw();
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!from) return;
      const { place, button } = from;
      const drawn = this.box;
      from = this.box = null;
      if (drawn) onBox(orderCorners(drawn));
      else if (wantsBox()) this.redraw();
      else onClick(place, button === 2);
      void event;
    });
    canvas.addEventListener("pointercancel", () => {
      from = this.box = null;
      this.redraw();
    });
  }
}

function orderCorners([x1, y1, x2, y2]) {
  return [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
}
