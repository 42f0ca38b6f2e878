// Masks as COCO's compressed runs: column by column, lengths of empty and set runs in turn.

/** Return the lengths of the runs of a compressed text. */
export function readRuns(counts) {
  const runs = [];
  let at = 0;
  while (at < counts.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const code = counts.charCodeAt(at++) - 48;
      value |= (code & 0x1f) << shift;
      more = (code & 0x20) !== 0;
      shift += 5;
      if (!more && code & 0x10) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

/** Return a mask as an array with 1 where it is set, row by row, and the box around it. */
export function readMask(counts, height, width) {
  const mask = new Uint8Array(height * width);
  const box = { left: width, top: height, right: 0, bottom: 0 };
  let position = 0;
  readRuns(counts).forEach((length, index) => {
    if (index % 2 === 0) {
      position += length;
      return;
    }
    for (const end = position + length; position < end; position++) {
      const x = Math.floor(position / height);
      const y = position - x * height;
      mask[y * width + x] = 1;
      if (x < box.left) box.left = x;
      if (x >= box.right) box.right = x + 1;
      if (y < box.top) box.top = y;
      if (y >= box.bottom) box.bottom = y + 1;
    }
  });
  return { mask, box };
}

/** Draw masks on a context of the video's size: filled, with an outline. */
export function drawMasks(context, masks, colors, { opacity, chosen, only }) {
  const { width, height } = context.canvas;
  const picture = context.createImageData(width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  const alpha = Math.round(2.55 * opacity);
  const thickness = Math.max(1, Math.round(width / 640));
  for (const [id, counts] of Object.entries(masks)) {
    if (only && !only(Number(id))) continue;
    const { mask, box } = readMask(counts, height, width);
    const [red, green, blue] = colors[id] ?? [230, 159, 0];
    const color = (blue << 16) | (green << 8) | red;
    const fill = ((alpha << 24) | color) >>> 0;
    const line = ((255 << 24) | color) >>> 0;
    // What is selected has a white line around its own, visible on any color.
    const rim = Number(id) === chosen ? 0xffffffff : 0xc0101010;
    for (let y = box.top; y < box.bottom; y++) {
      for (let x = box.left; x < box.right; x++) {
        const at = y * width + x;
        if (!mask[at]) continue;
        const inside =
          x >= thickness && y >= thickness && x < width - thickness && y < height - thickness &&
          mask[at - thickness] && mask[at + thickness] &&
          mask[at - thickness * width] && mask[at + thickness * width];
        pixels[at] = inside ? fill : line;
        if (inside) continue;
        if (x > 0 && !mask[at - 1]) pixels[at - 1] = rim >>> 0;
        if (x < width - 1 && !mask[at + 1]) pixels[at + 1] = rim >>> 0;
        if (y > 0 && !mask[at - width]) pixels[at - width] = rim >>> 0;
        if (y < height - 1 && !mask[at + width]) pixels[at + width] = rim >>> 0;
      }
    }
  }
  context.putImageData(picture, 0, 0);
}
