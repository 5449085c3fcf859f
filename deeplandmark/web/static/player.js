// Moves the shown position from level to level, at once for people who want no motion.
const MOVE_MS = 750;
const REST_MS = 450;

export class Player {
  constructor(onPosition, onLevel) {
    this.onPosition = onPosition;
    this.onLevel = onLevel;
    this.position = 1;
  }

  jump(position) {
    cancelAnimationFrame(this.frame);
    this.plan = [];
    this.set(position);
    this.onLevel(Math.round(position));
  }

  go(position) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.jump(position);
    this.plan = [position];
    this.next(0);
  }

  play(last) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.jump(last);
    this.jump(1);
    this.plan = Array.from({ length: last - 1 }, (_, i) => i + 2);
    this.next(REST_MS);
  }

  set(position) {
    this.position = position;
    this.onPosition(position);
  }

  next(rest) {
    cancelAnimationFrame(this.frame);
    const to = this.plan.shift();
    if (to === undefined) return;
    const from = this.position;
    const start = performance.now() + rest;
    const step = (now) => {
      const share = Math.min(Math.max((now - start) / MOVE_MS, 0), 1);
      this.set(from + (to - from) * share * share * (3 - 2 * share));
      if (share < 1) {
        this.frame = requestAnimationFrame(step);
      } else {
        this.next(REST_MS);
      }
    };
    this.onLevel(to);
    this.frame = requestAnimationFrame(step);
  }
}
