// Exhaustive evaluation: each operation and form over the values of its operands, or samples of them.

const wrongFirst = (a, b) => errorOf(b.results) - errorOf(a.results);

const rateHeadings = ["wrong", "of", "error rate", "95 % interval of accuracy"];
const rateCells = rate => [count(rate.wrong), count(rate.total), errorText(rate), intervalText(rate)];

// Of samples nothing is swept.
function sweepTable(forms) {
  const sweeps = forms.some(form => form.operands.length);
  return table(["form", ...sweeps ? ["swept"] : [], ...rateHeadings], forms.map(({form, operands, results}) =>
    cells([form, ...sweeps ? [operands.join(" × ") || missing] : [], ...rateCells(results)])));
}

function operationTable(operations = []) {
  const wrong = operations.filter(rate => rate.wrong).sort((a, b) => errorOf(b) - errorOf(a));
  if (!wrong.length) return null;
  return [
    el("h3", {}, `By operation: ${count(wrong.length)} of ${count(operations.length)} have errors`),
    table(["operation", ...rateHeadings], wrong.map(rate => cells([rate.operation, ...rateCells(rate)]))),
    el("h3", {}, "By form")];
}

// The wrong values as a picture, 128 points wide. A point is 2 × 2 values, that a single wrong one can be seen.
function wrongValues({wrong_values}) {
  const isPlane = wrong_values.length > 64;
  const canvas = el("canvas", {width: 128, height: isPlane ? 128 : 1, class: isPlane ? "" : "line"});
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--bad");
  [...wrong_values].forEach((digit, i) => {
    const four = parseInt(digit, 16);
    for (let bit = 0; bit < 4; ++bit) {
      const at = 4 * i + bit;
      if (four >> (3 - bit) & 1) pen.fillRect(at % 256 >> 1, at >> 9, 1, 1);
    }
  });
  return canvas;
}

function wrongMaps(forms) {
  const axes = ([first, second]) => second ? `${first} ↓ ${second} →` : `${first} →`;
  const maps = forms.filter(form => form.wrong_values).sort((a, b) => b.operands.length - a.operands.length);
  if (!maps.length) return null;
  return [
    el("h3", {}, "Which values of the operands, 0 … 255"),
    el("div", {class: "maps"}, maps.map(form => el("figure", {}, el("b", {}, form.form), el("div", {}, wrongValues(form)),
      el("figcaption", {}, axes(form.operands)))))];
}

// A wrong case in three rows: the state before, the one expected and the one predicted.
function caseRows(fields, wrong) {
  const expected = fieldTexts(fields, wrong.expected);
  return ["before", "expected", "predicted"].map(which => {
    const texts = fieldTexts(fields, wrong[which]), compared = which === "predicted" && expected;
    const values = texts
      ? texts.map((text, i) => el("td", compared && text !== expected[i] ? {class: "wrong"} : {}, text))
      : [el("td", {colspan: fields.length, class: "left"}, "the end")];
    return cells([which === "before" ? wrong.instruction : "", which, ...values]);
  });
}

function wrongCases(fields, forms) {
  const headings = ["instruction", "state", ...fields.map(field => field.name)];
  const shown = forms.filter(form => form.examples?.length);
  if (!shown.length) return null;
  return [
    el("h3", {}, "The first wrong cases of each form, in full"),
    shown.map(({form, examples, results}) => details(
      `${form}: the first ${count(examples.length)} of ${counted(results.wrong, "wrong case")}`,
      table(headings, examples.flatMap(x => caseRows(fields, x)), {class: "cases"})))];
}

function exhaustive(doc) {
  const scores = doc.modes?.exhaustive;
  if (!scores) return null;
  const wrong = scores.forms.filter(form => form.results.wrong).sort(wrongFirst);
  const right = scores.forms.filter(form => !form.results.wrong);
  const values = scores.forms.every(form => form.results.total === form.cases) ? "every value of its operands"
    : scores.forms.every(form => form.cases) ? "values of its operands, spread evenly"
    : "samples of its operands, many at the ends of their ranges";
  const total = `${count(scores.results.wrong)} of ${count(scores.results.total)} cases wrong`;
  const where = `, in ${wrong.length ? count(wrong.length) : "none"} of ${counted(scores.forms.length, "form")}.`;
  return section("Exhaustive",
    el("p", {}, `Each operation and form in a program of its own, at a random place, over ${values}. `, el("b", {}, total), where),
    wrong.length ? [
      operationTable(scores.by_operation), sweepTable(wrong), wrongMaps(wrong), wrongCases(doc.data.layout.fields, wrong)] : null,
    right.length ? details(`The ${counted(right.length, "form")} without an error`, sweepTable(right)) : null);
}
