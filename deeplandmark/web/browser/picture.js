// Pictures: { width, height, channels, data }, data a Uint8ClampedArray of rows, red green blue or grey.

// A file's picture upright, its transparent parts over white. Throws an Error that a person can read.
export async function decode(file, most) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error("Not a picture in a format that this browser knows.");
  }
  const { width, height } = bitmap;
  if (width * height > most) throw new Error(`The picture has ${width} x ${height} pixels; at most ${most} are taken.`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return withoutOpacity(context.getImageData(0, 0, width, height));
}

export function withoutOpacity({ width, height, data }) {
  const result = blank(width, height, 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    result.data[to] = data[from];
    result.data[to + 1] = data[from + 1];
    result.data[to + 2] = data[from + 2];
  }
  return result;
}

export function blank(width, height, channels) {
  return { width, height, channels, data: new Uint8ClampedArray(width * height * channels) };
}

// As OpenCV's cvtColor: 0.299 red, 0.587 green, 0.114 blue in 15 bits.
export function greyOf({ width, height, data }) {
  const result = blank(width, height, 1);
  for (let from = 0, to = 0; to < result.data.length; from += 3, to += 1) {
    result.data[to] = (9798 * data[from] + 19235 * data[from + 1] + 3735 * data[from + 2] + 16384) >> 15;
  }
  return result;
}

// The part from (left, top) to before (right, bottom), whole numbers inside the picture.
export function part(picture, left, top, right, bottom) {
  const { width, channels, data } = picture;
  const result = blank(right - left, bottom - top, channels);
  const length = result.width * channels;
  for (let y = 0; y < result.height; y += 1) {
    const from = ((y + top) * width + left) * channels;
    result.data.set(data.subarray(from, from + length), y * length);
  }
  return result;
}

// detectors/brightened.py: a dark picture, made as bright as others.
export function brightened(picture, { bright, gain, share, looked_at: lookedAt }) {
  const { width, height, channels, data } = picture;
  const step = Math.max(1, Math.floor(Math.min(width, height) / lookedAt));
  const counts = new Array(256).fill(0);
  let total = 0;
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step, total += 1) counts[data[(y * width + x) * channels + 1]] += 1;
  }
  let brightest = 0;
  for (let sum = counts[0]; sum < (1 - share) * total; sum += counts[brightest]) brightest += 1;
  if (brightest >= bright) return picture;
  const factor = Math.min(bright / Math.max(brightest, 1), gain);
  return { ...picture, data: data.map((value) => value * factor) };
}
