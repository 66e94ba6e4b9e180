// Records as text. A record is in hexadecimal, its fields as the layout names them: {name, offset, bytes, bits: names}.

const bytesOf = (field, hex) => hex.slice(2 * field.offset, 2 * (field.offset + field.bytes)).match(/../g) ?? [];

// The bits of a flags field: [name, 0 or 1]; those without a name only where they are set.
function bitsOf(field, hex) {
  const value = parseInt(bytesOf(field, hex).reverse().join(""), 16);
  return Array.from({length: 8 * field.bytes}, (_, i) => [field.bits[i] || "bit " + i, value >> i & 1])
    .filter(([, set], i) => set || field.bits[i]);
}

function fieldText(field, hex) {
  const bytes = bytesOf(field, hex);
  if (field.bits) return bitsOf(field, hex).filter(([, set]) => set).map(([name]) => name).join(" ") || "0";
  if (field.bytes > 8) return bytes.join("").replace(/(00)+$/, "…");  // no number; mostly zeros that pad it
  return field.bytes === 1 ? String(parseInt(bytes[0], 16)) : "0x" + bytes.reverse().join("");
}

// The text of each field; null of no record.
const fieldTexts = (fields, hex) => hex ? fields.map(field => fieldText(field, hex)) : null;
