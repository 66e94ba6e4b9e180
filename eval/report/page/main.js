// The page: its sections in their order. Each is a function of the document that gives elements, or null where the
// document holds nothing for it. A new kind of document or of figure adds its section to the list; one that does not
// apply to it gives null.

const sections = [
  firstScreen, headline, files, learning, errorsByInstruction, errorsByField, errorsAlongTrace, confidence, worstTraces, exhaustive,
  predictedFiles, configuration];

// A fault in one section leaves the others as they are.
function drawn(draw, doc) {
  try {
    return draw(doc);
  } catch (fault) {
    return el("p", {class: "warning"}, `The part "${draw.name}" could not be drawn: ${fault.message}`);
  }
}

const evaluation = JSON.parse(document.getElementById("document").textContent);
for (const draw of sections) {
  document.getElementById("main").append(...[drawn(draw, evaluation)].flat(Infinity).filter(isShown));
}
