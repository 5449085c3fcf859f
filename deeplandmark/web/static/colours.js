// Confidence as a colour: vermilion, yellow, sky blue (Okabe and Ito). style.css draws the same ramp.
const STOPS = [[213, 94, 0], [240, 228, 66], [86, 180, 233]];
const LOWEST = 0.5;

export function colourOf(confidence) {
  const place = Math.min(Math.max((confidence - LOWEST) / (1 - LOWEST), 0), 1) * (STOPS.length - 1);
  const first = Math.min(Math.floor(place), STOPS.length - 2);
  const mixed = STOPS[first].map((value, i) => Math.round(value + (place - first) * (STOPS[first + 1][i] - value)));
  return `rgb(${mixed.join(" ")})`;
}
