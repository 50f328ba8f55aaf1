// Kept beside plotly: figures are drawn when they come into view (a page has dozens), they follow the colours of the page
// and its dark mode, and a button that the keyboard reaches switches the axis; plotly's updatemenus are drawn in SVG.
const dark = matchMedia("(prefers-color-scheme: dark)");
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8c6bb1", "#a6761d", "#7f7f7f", "#1b9e77"];
const ground = () => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: {color: style("--ink"), size: 12}, colorway: colours,
  margin: {l: 55, r: 10, t: 26, b: 40}, hoverlabel: {bgcolor: style("--paper"), bordercolor: style("--edge"), font: {color: style("--ink")}},
  legend: {orientation: "h", yref: "container", y: 0, yanchor: "bottom", font: {size: 11}}, modebar: {bgcolor: "rgba(0,0,0,0)", color: style("--quiet"), activecolor: style("--link")},
});
const axis = () => ({gridcolor: style("--line"), linecolor: style("--edge"), zeroline: false, automargin: true, exponentformat: "power"});
const joined = (first, second) => { const all = {...first}; for (const key in second) all[key] = typeof second[key] === "object" && !Array.isArray(second[key]) ? joined(all[key] || {}, second[key]) : second[key]; return all; };
const laid = figure => joined(joined(ground(), figure.layout.xaxis ? {xaxis: axis(), yaxis: axis()} : {}), figure.layout);
// Name the buttons explicitly: one of plotly's default buttons uploads the figure's data to the vendor's server.
const settings = {responsive: true, displaylogo: false, modeBarButtons: [["toImage"]], plotlyServerURL: ""};
const plots = new Map();

function draw(plot) {
  const figure = JSON.parse(plot.nextElementSibling.textContent), button = plot.previousElementSibling;
  figure.data.forEach(line => { if (line.meta === true) line.line.color = style("--bad"); });
  Plotly.newPlot(plot, figure.data, laid(figure), settings).then(() => plot.dataset.drawn = "yes");
  plots.set(plot, figure);
  if (!figure.layout.yaxis) return;
  const press = () => button.setAttribute("aria-pressed", figure.layout.yaxis.type === "log");
  button.hidden = false; press();
  button.onclick = () => { figure.layout.yaxis.type = figure.layout.yaxis.type === "log" ? "linear" : "log"; Plotly.relayout(plot, {"yaxis.type": figure.layout.yaxis.type}); press(); };
}
const seen = new IntersectionObserver(entries => entries.forEach(entry => {
  if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
}), {rootMargin: "300px"});
document.querySelectorAll(".plot").forEach(plot => seen.observe(plot));
dark.addEventListener("change", () => plots.forEach((figure, plot) => Plotly.react(plot, plot.data, laid(figure), settings)));
addEventListener("beforeprint", () => document.querySelectorAll(".plot:not([data-drawn])").forEach(plot => { seen.unobserve(plot); draw(plot); }));
