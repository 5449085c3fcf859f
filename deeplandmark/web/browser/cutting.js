// Pictures made larger, smaller and turned, as OpenCV does it.
import { blank, part } from "./picture.js";

// faces/halves.py: a picture and its halves, each pixel the mean of four.
export class Halves {
  constructor(picture) {
    this.picture = picture;
    this.halves = [picture];
  }

  halved(times) {
    while (this.halves.length <= times) {
      const last = this.halves.at(-1);
      if (last.width < 2 || last.height < 2) break;
      this.halves.push(half(last));
    }
    const done = Math.min(times, this.halves.length - 1);
    return [this.halves[done], done];
  }

  // The picture in another size, and how large that is beside the picture, [x, y].
  resized([width, height]) {
    const whole = this.picture;
    const shrinks = Math.max(Math.min(whole.width / width, whole.height / height), 1);
    const [image] = this.halved(Math.floor(Math.log2(shrinks)));
    const times = this.halves.indexOf(image);
    const ratio = [width / image.width / 2 ** times, height / image.height / 2 ** times];
    return [resized(image, width, height), ratio];
  }

  // A window of size x size pixels, which a matrix [a, b, c, d, e, f] brings to the picture: x' = ax + by + c, ...
  window(matrix, size) {
    const [image, times] = this.halved(Math.floor(Math.log2(Math.max(Math.hypot(matrix[0], matrix[3]), 1))));
    const scaled = matrix.map((value) => value / 2 ** times);
    const shift = 0.5 / 2 ** times - 0.5;
    return warped(image, [scaled[0], scaled[1], scaled[2] + shift, scaled[3], scaled[4], scaled[5] + shift], size);
  }
}

function half({ width, height, channels, data }) {
  const result = blank(width >> 1, height >> 1, channels);
  const row = width * channels;
  let to = 0;
  for (let y = 0; y < result.height; y += 1) {
    for (let x = 0; x < result.width; x += 1) {
      for (let c = 0; c < channels; c += 1, to += 1) {
        const from = 2 * y * row + 2 * x * channels + c;
        const below = from + row;
        result.data[to] = (data[from] + data[from + channels] + data[below] + data[below + channels] + 2) >> 2;
      }
    }
  }
  return result;
}

// Areas averaged where both sides shrink, else between the four nearest pixels.
export function resized(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  return picture.width >= width && picture.height >= height ? averaged(picture, width, height)
                                                            : interpolated(picture, width, height);
}

function averaged(picture, width, height) {
  const { channels, data } = picture;
  const [columns, rows] = [areas(picture.width, width), areas(picture.height, height)];
  const narrow = new Float32Array(width * channels * picture.height);
  for (let y = 0, to = 0; y < picture.height; y += 1) {
    const row = y * picture.width * channels;
    for (const { first, shares } of columns) {
      for (let c = 0; c < channels; c += 1, to += 1) {
        let sum = 0;
        for (let i = 0; i < shares.length; i += 1) sum += shares[i] * data[row + (first + i) * channels + c];
        narrow[to] = sum;
      }
    }
  }
  const result = blank(width, height, channels);
  const length = width * channels;
  rows.forEach(({ first, shares }, y) => {
    for (let x = 0; x < length; x += 1) {
      let sum = 0;
      for (let i = 0; i < shares.length; i += 1) sum += shares[i] * narrow[(first + i) * length + x];
      result.data[y * length + x] = sum;                          // a clamped array rounds
    }
  });
  return result;
}

// In whole numbers, shares in 2048ths, as OpenCV does it.
function interpolated(picture, width, height) {
  const { channels, data } = picture;
  const [columns, rows] = [neighbours(picture.width, width), neighbours(picture.height, height)];
  const length = width * channels;
  const wide = new Int32Array(length * picture.height);
  for (let y = 0, to = 0; y < picture.height; y += 1) {
    const row = y * picture.width * channels;
    for (const [first, second, one, other] of columns) {
      for (let c = 0; c < channels; c += 1, to += 1) {
        wide[to] = one * data[row + first * channels + c] + other * data[row + second * channels + c];
      }
    }
  }
  const result = blank(width, height, channels);
  rows.forEach(([first, second, one, other], y) => {
    for (let x = 0; x < length; x += 1) {
      const [above, below] = [wide[first * length + x] >> 4, wide[second * length + x] >> 4];
      result.data[y * length + x] = ((one * above >> 16) + (other * below >> 16) + 2) >> 2;
    }
  });
  return result;
}

// For each of `count` new pixels the first of `size` old ones that it covers, and their shares.
function areas(size, count) {
  const scale = size / count;
  return Array.from({ length: count }, (_, i) => {
    const [start, stop] = [i * scale, Math.min((i + 1) * scale, size)];
    const first = Math.floor(start + 1e-3);
    const last = Math.max(first + 1, Math.ceil(stop - 1e-3));
    const shares = Array.from({ length: last - first }, (__, k) => (
      Math.min(first + k + 1, stop) - Math.max(first + k, start)) / (stop - start));
    return { first, shares };
  });
}

// For each of `count` new pixels the two of `size` old ones beside it, and their shares in 2048ths. Beyond an edge both
// are the pixel there.
function neighbours(size, count) {
  return Array.from({ length: count }, (_, i) => {
    const place = Math.fround((i + 0.5) * size / count - 0.5);
    const first = Math.floor(place);
    const share = Math.round(2048 * (place - first));
    return [Math.max(first, 0), Math.min(first + 1, size - 1), 2048 - share, share];
  });
}

// A window of size x size pixels, which a matrix brings to the picture; beyond its edge its border is repeated. As
// OpenCV's warpAffine, which knows places to the 32nd part of a pixel.
export function warped({ width, height, channels, data }, matrix, size) {
  const [a, b, c, d, e, f] = matrix;
  const result = blank(size, size, channels);
  const inside = (value, most) => Math.min(Math.max(value, 0), most);
  const place = (along, start) => Math.floor((Math.round(1024 * along) + Math.round(1024 * start) + 16) / 32) / 32;
  for (let v = 0, to = 0; v < size; v += 1) {
    for (let u = 0; u < size; u += 1) {
      const [x, y] = [place(a * u, b * v + c), place(d * u, e * v + f)];
      const [column, row] = [Math.floor(x), Math.floor(y)];
      const [left, right] = [inside(column, width - 1), inside(column + 1, width - 1)];
      const [above, below] = [inside(row, height - 1) * width, inside(row + 1, height - 1) * width];
      const [across, down] = [x - column, y - row];
      for (let k = 0; k < channels; k += 1, to += 1) {
        const at = (pixel) => data[pixel * channels + k];
        const upper = at(above + left) + across * (at(above + right) - at(above + left));
        const lower = at(below + left) + across * (at(below + right) - at(below + left));
        result.data[to] = Math.floor(upper + down * (lower - upper) + 0.5);
      }
    }
  }
  return result;
}

// faces/alignment.py: the window under a similarity from the picture to it; shrinking, areas are averaged first.
export function aligned(picture, matrix, size) {
  const scale = Math.hypot(matrix[0], matrix[3]);
  const back = inverted(matrix);
  if (scale >= 1) return warped(picture, back, size);
  const corners = [[0, 0], [size, 0], [0, size], [size, size]].map(([x, y]) => moved(back, [x - 0.5, y - 0.5]));
  const margin = 2 / scale + 1;
  const [lefts, tops] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const between = (value, low, high) => Math.min(Math.max(value, low), high);
  const left = between(Math.floor(Math.min(...lefts) - margin), 0, picture.width - 1);
  const top = between(Math.floor(Math.min(...tops) - margin), 0, picture.height - 1);
  const right = between(Math.ceil(Math.max(...lefts) + margin), left + 1, picture.width);
  const bottom = between(Math.ceil(Math.max(...tops) + margin), top + 1, picture.height);
  const shown = part(picture, left, top, right, bottom);
  const smaller = (side) => Math.max(1, Math.round(side * scale));
  const small = resized(shown, smaller(shown.width), smaller(shown.height));
  const [across, down] = [small.width / shown.width, small.height / shown.height];
  const [a, b, c, d, e, f] = back;                                // to the picture, and from there to the small part
  return warped(small, [a * across, b * across, (c + 0.5 - left) * across - 0.5,
                        d * down, e * down, (f + 0.5 - top) * down - 0.5], size);
}

export function inverted([a, b, c, d, e, f]) {
  const area = a * e - b * d;
  return [e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area];
}

export function moved([a, b, c, d, e, f], [x, y]) {
  return [a * x + b * y + c, d * x + e * y + f];
}
