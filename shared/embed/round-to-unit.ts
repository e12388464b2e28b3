// Rounds a vector to multiples of 1/16 whose squares sum to exactly 1, as near to its direction as that allows.

const STEPS = 16;
const SQUARES = STEPS * STEPS;
/** Below this a value is left at zero, unless the sum needs it: zeros are what compresses. */
const LEAST_STEPS = 0.5;

/** The rounded unit vector. A zero vector becomes the first axis, so that no caller ever divides by zero. */
export function roundToUnit(raw: Float64Array): Float32Array {
  const wanted = scale(raw);
  const steps = new Int32Array(raw.length);
  let sum = 0;
  for (let i = 0; i < raw.length; i += 1) {
    const size = Math.abs(wanted[i] ?? 0);
    const rounded = size < LEAST_STEPS ? 0 : Math.round(size);
    steps[i] = rounded;
    sum += rounded * rounded;
  }
  while (sum !== SQUARES) sum += step(steps, wanted, SQUARES - sum);
  const unit = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) unit[i] = (Math.sign(wanted[i] ?? 0) || 1) * ((steps[i] ?? 0) / STEPS) || 0;
  return unit;
}

function scale(raw: Float64Array): Float64Array {
  let squares = 0;
  for (const value of raw) squares += value * value;
  const wanted = new Float64Array(raw.length);
  if (squares === 0) wanted[0] = STEPS;
  else for (let i = 0; i < raw.length; i += 1) wanted[i] = ((raw[i] ?? 0) / Math.sqrt(squares)) * STEPS;
  return wanted;
}

/**
 * One component up or down by one, the one that brings the sum nearer with the least error; the first of equals.
 * Returns the change of the sum. Ends always: when the sum is too small a zero can become 1 (+1); when it is too large
 * some component can go down without passing the goal, or ends one short of it, which a zero then fills.
 */
function step(steps: Int32Array, wanted: Float64Array, missing: number): number {
  let best = -1;
  let bestCost = Number.POSITIVE_INFINITY;
  const up = missing > 0;
  for (let i = 0; i < steps.length; i += 1) {
    const now = steps[i] ?? 0;
    if (!up && now === 0) continue;
    const change = up ? 2 * now + 1 : 2 * now - 1;
    if (up && change > missing) continue;
    const target = up ? now + 1 : now - 1;
    const size = Math.abs(wanted[i] ?? 0);
    const cost = (target - size) ** 2 - (now - size) ** 2;
    if (cost < bestCost) {
      best = i;
      bestCost = cost;
    }
  }
  const now = steps[best] ?? 0;
  steps[best] = up ? now + 1 : now - 1;
  return up ? 2 * now + 1 : -(2 * now - 1);
}
