// Shows the settings that mean anything for what is chosen; without this script all are shown.
document.addEventListener("DOMContentLoaded", () => {
  const fields = [...document.querySelectorAll("[data-only-for]")];
  const show = () => {
    for (const field of fields) {
      const chosen = document.querySelector(`[name="${field.dataset.onlyFor}"]`);
      const row = field.closest(".form-row") || field.parentElement;
      row.hidden = !field.dataset.choices.split(" ").includes(chosen.value);
    }
  };
  for (const name of new Set(fields.map((field) => field.dataset.onlyFor))) {
    document.querySelector(`[name="${name}"]`)?.addEventListener("change", show);
  }
  show();
});
