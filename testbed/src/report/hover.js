// Shows what a mark's own title says at once and in a readable face; without this the browser's tooltip does.
(() => {
  const panel = document.getElementById("pointed");
  const owner = (target) => target instanceof Element && target.closest("svg") &&
    [target, target.parentElement].find((node) => node && node.querySelector(":scope > title"));
  document.addEventListener("pointerover", (event) => {
    const found = owner(event.target);
    panel.hidden = !found;
    if (found) panel.textContent = found.querySelector(":scope > title").textContent;
  });
})();
