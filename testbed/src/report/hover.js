// Moves the map with the time line, and shows the hops and the story of the login that is pointed at. All words are set
// as text. Without this the page has titles, a map for each phase, and tables.
(() => {
  const find = (selector) => document.querySelector(selector);
  const data = JSON.parse(find("#data").textContent);
  const picture = find(".timeline"), cursor = find(".cursor"), slider = find("#time"), pointed = find("#pointed");
  const [left, right] = data.plot, [first, last] = data.time;
  const wide = picture.viewBox.baseVal.width;
  const map = find("#now .map");
  const groups = (letter) => [...map.querySelectorAll(`:scope [class^="${letter}-"]`)];
  const links = groups("l"), servers = groups("s"), names = groups("n");
  find("#now").hidden = false;
  slider.max = last - first;

  const order = (all) => all.map((group) => Number(group.dataset.at));
  const orders = [order(links), order(servers), order(names)];
  const paint = (all, places, letter, codes) =>
    all.forEach((group, index) => {
      group.classList.remove(...[...group.classList].filter((name) => name.startsWith(`${letter}-`)));
      group.classList.add(`${letter}-${codes[places[index]]}`);
    });

  const move = (time) => {
    time = Math.min(Math.max(time, first), last);
    const moment = data.moments.findLast(([from]) => from <= time) ?? data.moments[0];
    const x = left + (time - first) / (last - first) * (right - left);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    slider.value = time - first;
    find("#clock").textContent = `${(time / 1000).toFixed(1)} s`;
    find("#stands").textContent = moment[4];
    map.setAttribute("aria-label", `Map: ${moment[4]}`);
    paint(links, orders[0], "l", moment[1]);
    paint(servers, orders[1], "s", moment[2]);
    paint(names, orders[2], "n", moment[3]);
  };

  // Beside the report, wherever that lies; a name that a shell would not take as it is gets quotes.
  const beside = () => {
    if (location.protocol !== "file:") return "";
    const folder = decodeURIComponent(location.pathname.replace(/[^/]*$/, ""));
    return /^[\w./-]*$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`;
  };
  const element = (name, text, parent) => {
    const made = document.createElement(name);
    made.textContent = text;
    parent.append(made);
    return made;
  };
  const tell = (login) => {
    pointed.replaceChildren();
    const head = element("p", "", pointed);
    element("b", login.head, head);
    login.more.forEach((line) => element("p", line, pointed));
    login.tries.forEach(([id, story]) => {
      const command = `mangrove-edge why ${id} -log ${beside()}logs/*/*.log`;
      const line = element("p", "", pointed);
      element("code", command, line);
      const copy = element("button", "copy", line);
      copy.type = "button";
      copy.onclick = () => navigator.clipboard?.writeText(command).then(() => { copy.textContent = "copied"; });
      const told = element("div", "", pointed);
      told.className = "story";
      story.forEach((sentence) => element("div", sentence, told));
    });
    // Its way on the map: thick where the browser went, and where it got no answer.
    links.forEach((link, index) => {
      const ends = data.links[orders[0][index]];
      const other = ends.includes(login.home) ? ends.find((at) => at !== login.home) : undefined;
      link.classList.toggle("used", login.way.includes(other));
      link.classList.toggle("unanswered", login.silent?.includes(other) ?? false);
    });
    const hops = element("ol", "", pointed);
    hops.className = "hops";
    login.hops.forEach((hop) => element("li", hop, hops));
    pointed.scrollTop = 0;
  };

  // The browser's own tooltip would lie over the picture; the panel says the same and more.
  const marks = [...picture.querySelectorAll("[data-login]")].map((mark) => {
    mark.querySelector("title")?.remove();
    const { e: x, f: y } = mark.transform.baseVal.consolidate().matrix;
    return { mark, x, y, login: data.logins[mark.dataset.login] };
  });
  let near = null, kept = null;
  const point = (found) => {
    near?.mark.classList.remove("near");
    near = found;
    near?.mark.classList.add("near");
    if (near && !kept) tell(near.login);
  };
  const place = (event) => {
    const box = picture.getBoundingClientRect();
    const scale = wide / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale, reach: 10 * scale };
  };
  const nearest = ({ x, y, reach }) => marks.reduce((best, mark) => {
    const away = Math.hypot(mark.x - x, mark.y - y);
    return away < (best?.away ?? reach) ? { ...mark, away } : best;
  }, null);
  picture.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (at.x < left || at.x > right) return;
    const found = nearest(at);
    if (found?.mark !== near?.mark) point(found);
    move(first + ((found?.x ?? at.x) - left) / (right - left) * (last - first));
  });
  const keep = (found) => {
    kept?.mark.classList.remove("kept-here");
    kept = found;
    kept?.mark.classList.add("kept-here");
    if (kept) tell(kept.login);
  };
  picture.addEventListener("click", (event) => {
    const found = nearest(place(event));
    keep(found && found.mark !== kept?.mark ? found : null);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") keep(null); });
  slider.addEventListener("input", () => move(first + Number(slider.value)));
  // The first thing that went wrong, if any did.
  move((data.moments[1] ?? data.moments[0])[0]);
})();
