"""The paper's figure 7 for a site: the time of an event against the number of clients."""

from pathlib import Path

import numpy as np

from lartpc.files import whole_file
from serving.sizing.model import Job, Mix, Site, estimate


def draw(job: Job | Mix, site: Site, clients: int, path: Path) -> None:
    """Draw the model's line up to twice the clients.

    Args:
        job: of each client.
        site: of all.
        clients: that are marked.
        path: PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    numbers = np.unique(np.linspace(1, 2 * clients, 200).astype(int))
    axes.plot(numbers, [estimate(job, site, number).event_s for number in numbers], color="#1f5fa8")
    found = estimate(job, site, clients)
    axes.axvline(found.clients_at_most, color="#b3261e", ls="--", lw=1)
    axes.plot([clients], [found.event_s], "o", color="#102a43")
    axes.set_xlabel("clients")
    axes.set_ylabel("time of an event, s")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{site.servers} servers of {site.hits_a_second:,.0f} hits/s")
    axes.grid(alpha=0.25)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=130)
