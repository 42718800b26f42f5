// A bar chart with horizontal bars, as an SVG that is readable on a dark page, too.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

const ROW = 24;
const LABEL = 250;
const WIDTH = 860;
const TOP = 48;
const FONT = 'font-family="system-ui, sans-serif" font-size="13"';

/** Writes a bar for each `{ name, value, isOurs }` into `file`. */
export async function barChart(file, { title, bars }) {
  const longest = Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ name, value, isOurs }, index) => {
    const y = TOP + index * ROW;
    const length = Math.max(1, (value / longest) * (WIDTH - LABEL - 110));
    const color = isOurs ? '#d6336c' : '#748ffc';
    return (
      `  <text x="${LABEL - 10}" y="${y + 16}" text-anchor="end" fill="#495057" ${FONT}>${escaped(name)}</text>\n` +
      `  <rect x="${LABEL}" y="${y + 3}" width="${length.toFixed(1)}" height="${ROW - 6}" rx="2" fill="${color}"/>\n` +
      `  <text x="${(LABEL + length + 8).toFixed(1)}" y="${y + 16}" fill="#495057" ${FONT}>${rounded(value)}</text>`
    );
  });
  const height = TOP + bars.length * ROW + 12;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">\n` +
    `  <rect width="${WIDTH}" height="${height}" fill="#ffffff"/>\n` +
    `  <text x="16" y="28" fill="#212529" font-weight="600" ${FONT}>${escaped(title)}</text>\n` +
    `${rows.join('\n')}\n</svg>\n`;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, svg);
}

function rounded(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
