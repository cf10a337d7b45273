const field = document.getElementById("search");
if (field) {
  const rows = Array.from(document.querySelectorAll("#failures tbody tr"), (row) => [row, row.textContent.toLowerCase()]);
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("count").textContent = shown + " of " + rows.length;
  };
  field.addEventListener("input", show);
  show();
}
