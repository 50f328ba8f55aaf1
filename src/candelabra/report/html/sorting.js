// Sorts HTML tables, which people copy and screen readers read; plotly's tables are drawings that do not sort.
document.querySelectorAll("table.sortable").forEach(table => [...table.rows[0].cells].forEach((head, column) => {
  const button = document.createElement("button"); let up = false;
  button.append(...head.childNodes); head.append(button);
  button.onclick = () => {
    const cell = row => row.cells[column].textContent.trim(), number = row => parseFloat(cell(row).replace(/^#/, ""));
    up = !up;
    const order = (a, b) => {
      const [x, y] = [number(a), number(b)];
      if (isNaN(x) && isNaN(y)) return (up ? 1 : -1) * cell(a).localeCompare(cell(b));
      return isNaN(x) ? 1 : isNaN(y) ? -1 : (up ? 1 : -1) * (x - y);
    };
    [...table.rows].slice(1).sort(order).forEach(row => row.parentNode.append(row));
    [...table.rows[0].cells].forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  };
}));
