// Where things are between two levels. A position of 1.5 is half way from the first level to the second.

export function pointsAt(face, position) {
  return between(face.levels, position, (from, to, share) => from.map((point, i) => mix(point, to[i], share)));
}

// What the networks of a level look at: [{ centre, half }] in pixels of the picture, one a point.
export function windowsAt(face, model, position) {
  const stages = face.levels.map((_, stage) => windowsOf(face, model, stage));
  return between(stages, position, (from, to, share) => from.map((window, i) => ({
    centre: mix(window.centre, to[i].centre, share), half: mix(window.half, to[i].half, share) })));
}

function windowsOf(face, model, stage) {
  const [left, top, right, bottom] = face.box;
  const size = [right - left, bottom - top];
  if (stage === 0) {                                              // level 1 sees the whole face
    const window = { centre: [(left + right) / 2, (top + bottom) / 2], half: size.map((side) => side / 2) };
    return face.points.map(() => window);
  }
  const share = model.half_sides[model.levels[stage]];
  return face.levels[stage - 1].map((centre) => ({ centre, half: [size[0] * share, size[1] * share] }));
}

function between(stages, position, blend) {
  const last = stages.length - 1;
  const from = Math.min(Math.max(Math.floor(position) - 1, 0), last);
  const to = Math.min(from + 1, last);
  return blend(stages[from], stages[to], Math.min(Math.max(position - 1 - from, 0), 1));
}

function mix(from, to, share) {
  return from.map((value, i) => value + (to[i] - value) * share);
}
