// Numbers as the page writes them. A rate is {right, total, wrong, accuracy, interval: [low, high]}, as in the
// document. What is missing, or is no number, reads "–".

const missing = "–";
const isNumber = Number.isFinite;
const count = n => isNumber(n) ? n.toLocaleString("en-US") : missing;
const counted = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;
const sum = values => values.reduce((total, value) => total + (value || 0), 0);

// Two digits: "0.12", "3.4e-5".
function short(x) {
  if (!isNumber(x)) return missing;
  if (x === 0) return "0";
  return x >= 0.01 ? String(+x.toPrecision(2)) : x.toExponential(1).replace(".0e", "e");
}

// Of the error rate: as counted, and the ends of its 95 % interval. Nothing counted excludes nothing.
const errorOf = rate => rate?.total > 0 ? rate.wrong / rate.total : NaN;
const leastError = rate => isNumber(rate?.interval?.[1]) ? Math.max(1 - rate.interval[1], 0) : 0;
const mostError = rate => isNumber(rate?.interval?.[0]) ? 1 - rate.interval[0] : 1;

// Decimals of a percentage that show an error's two leading digits.
const decimals = error => error > 0 ? Math.min(Math.max(1 - Math.floor(Math.log10(error * 100)), 2), 12) : 2;

// "100 %" only of no error at all.
function percent(value, error = 1 - value) {
  if (!isNumber(value)) return missing;
  return error <= 0 ? "100 %" : (100 * value).toFixed(decimals(error)) + " %";
}
const accuracyText = rate => percent(rate?.accuracy, errorOf(rate));

function intervalText(rate) {
  const low = 1 - mostError(rate), high = 1 - leastError(rate);
  return `${(100 * low).toFixed(decimals(1 - low))} … ${percent(high, rate?.wrong ? 1 - high : 0)}`;
}

// An error rate; where there is no error, the bound that so many allow.
const errorText = rate => rate.wrong === 0 ? `< ${short(mostError(rate))}` : short(errorOf(rate));

function wrongText(rate) {
  if (!(rate?.total > 0)) return "none to count";
  return `${count(rate.wrong)} of ${count(rate.total)} wrong, rate ${errorText(rate)}`;
}
