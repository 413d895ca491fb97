'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const key = (row, i) => {
    const cell = row.cells[i];
    const text = cell.dataset.v ?? cell.textContent.trim();
    const number = Number(text);
    return text === '' || text === '\u2013' ? null : Number.isNaN(number) ? text : number;
  };
  const order = (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b :
    typeof a === 'number' ? -1 : typeof b === 'number' ? 1 :
    String(a).localeCompare(String(b));
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const first = head.classList.contains('num') ? 'descending' : 'ascending';
      const other = first === 'ascending' ? 'descending' : 'ascending';
      const way = head.getAttribute('aria-sort') === first ? other : first;
      const sign = way === 'ascending' ? 1 : -1;
      for (const cell of table.tHead.rows[0].cells) cell.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', way);
      const rows = [...body.rows].map(row => [key(row, i), row]);
      rows.sort(([a], [b]) =>
        a === null || b === null ? (a === null) - (b === null) : sign * order(a, b));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
for (const pre of document.querySelectorAll('pre.copyable')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'copy';
  const text = pre.textContent;
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(text).then(
      () => { button.textContent = 'copied'; },
      () => { button.textContent = 'cannot copy'; });
  });
  pre.before(button);
}
