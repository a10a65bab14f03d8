"use strict";
(() => {
  const form = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const groups = [...document.querySelectorAll(".cases tbody")].map((body) => ({
    body,
    rows: [...body.querySelectorAll("tr[data-level]")].map((row) => ({
      row,
      text: row.querySelector("th").textContent.toLowerCase(),
      verdicts: row.dataset.verdicts.split(" "),
    })),
  }));
  const total = groups.reduce((sum, group) => sum + group.rows.length, 0);

  function apply() {
    const { text, level, verdict, differ } = form.elements;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { body, rows } of groups) {
      let any = false;
      for (const { row, text: label, verdicts } of rows) {
        const fits =
          words.every((word) => label.includes(word)) &&
          (!level.value || row.dataset.level === level.value) &&
          (!verdict.value || verdicts.includes(verdict.value)) &&
          (!differ.checked || row.dataset.differs === "yes");
        row.hidden = !fits;
        any ||= fits;
        count += fits;
      }
      body.hidden = !any;
    }
    shown.textContent = `${count} of ${total} cases`;
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  apply();
})();
