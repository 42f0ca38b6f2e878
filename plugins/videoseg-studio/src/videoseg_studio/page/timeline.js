// The timeline: a row for each object, with what is known about each part of the video.

const ROW = 16;
const TOP = 22;
const LEFT = 30;

export class Timeline {
  constructor(element, onSeek) {
    this.element = element;
    this.onSeek = onSeek;
    this.canvas = document.createElement("canvas");
    element.append(this.canvas);
    this.data = { total: 1, objects: [], presence: {}, seen: [], keys: [], frame: 0, chosen: 0 };
    let dragging = false;
    element.addEventListener("pointerdown", (event) => {
      dragging = true;
      element.setPointerCapture(event.pointerId);
      this.seekTo(event);
    });
    element.addEventListener("pointermove", (event) => dragging && this.seekTo(event));
    for (const name of ["pointerup", "pointercancel"]) {
      element.addEventListener(name, () => (dragging = false));
    }
    new ResizeObserver(() => this.draw()).observe(element);
  }

  seekTo(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const share = (event.clientX - bounds.left - LEFT) / Math.max(1, bounds.width - LEFT - 8);
    const { total } = this.data;
    this.onSeek(Math.round(Math.min(1, Math.max(0, share)) * (total - 1)));
  }

  show(changes) {
    Object.assign(this.data, changes);
    this.draw();
  }

  draw() {
    const { total, objects, presence, seen, keys, frame, chosen, agreement } = this.data;
    const width = this.element.clientWidth;
    if (!width) return;
    const rows = Math.max(1, objects.length) + (agreement ? 1 : 0);
    const height = TOP + rows * ROW + 6;
    const ratio = window.devicePixelRatio || 1;
    const canvas = this.canvas;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.element);
    const [text, line, soft] = ["--text", "--line", "--soft"].map((one) => style.getPropertyValue(one));
    const track = style.getPropertyValue("--track");
    const span = width - LEFT - 8;
    const x = (one) => LEFT + (total > 1 ? (one / (total - 1)) * span : 0);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = soft;
    for (const one of seen) context.fillRect(Math.round(x(one)), 3, 1, 8);
    context.fillStyle = text;
    for (const one of keys) drawDiamond(context, x(one), 15, 5);
    objects.forEach((object, row) => {
      const y = TOP + row * ROW;
      const bins = presence[object.id] ?? "";
      const color = `rgb(${object.color.join(" ")})`;
      context.fillStyle = track;
      context.fillRect(LEFT, y + 3, span, ROW - 6);
      for (let start = 0; start < bins.length; ) {
        let end = start + 1;
        while (end < bins.length && bins[end] === bins[start]) end++;
        if (bins[start] !== "0") {
          context.fillStyle = bins[start] === "2" ? color : line;
          const left = LEFT + (start / bins.length) * span;
          context.fillRect(left, y + 3, Math.max(1.5, ((end - start) / bins.length) * span), ROW - 6);
        }
        start = end;
      }
      context.fillStyle = text;
      context.font = `${object.id === chosen ? "bold " : ""}11px system-ui, sans-serif`;
      context.fillText(object.id, 8, y + ROW / 2);
      for (const one of object.corrections) {
        if (one.origin !== "user") continue;
        context.beginPath();
        context.arc(x(one.frame), y + ROW / 2, 4.5, 0, 2 * Math.PI);
        context.fillStyle = one.pending ? "#fff" : "#111";
        context.fill();
        context.strokeStyle = one.pending ? "#111" : "#fff";
        context.lineWidth = 1.5;
        context.stroke();
      }
    });
    if (agreement) {
      const y = TOP + (rows - 1) * ROW;
      context.fillStyle = text;
      context.fillText("A=B", 3, y + ROW / 2);
      agreement.frames.forEach((one, index) => {
        const value = agreement.iou[index];
        if (value === null) return;
        const next = agreement.frames[index + 1] ?? total - 1;
        context.fillStyle = `hsl(${Math.round(120 * value)} 60% 45%)`;
        context.fillRect(x(one), y + 3, Math.max(1.5, x(next) - x(one)), ROW - 6);
      });
    }
    context.fillStyle = text;
    context.fillRect(Math.round(x(frame)) - 1, 0, 2, height);
    context.beginPath();
    context.moveTo(x(frame) - 6, 0);
    context.lineTo(x(frame) + 6, 0);
    context.lineTo(x(frame), 8);
    context.fill();
  }
}

function drawDiamond(context, x, y, radius) {
  context.beginPath();
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y);
  context.lineTo(x, y + radius);
  context.lineTo(x - radius, y);
  context.fill();
}
