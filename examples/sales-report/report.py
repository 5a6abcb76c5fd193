"""Sums a year of sales by month and region; writes a table and a chart.

Only the standard library is used, so it runs wherever Python does.
"""

import csv
import os
from collections import defaultdict
from xml.sax.saxutils import escape

COLOURS = ["#4063d8", "#389826", "#cb3c33", "#9558b2"]
WIDTH, HEIGHT, MARGIN = 640, 320, 48


def read_sales(path):
    """month -> region -> amount"""
    totals = defaultdict(lambda: defaultdict(float))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            totals[row["date"][:7]][row["region"]] += float(row["amount"])
    return totals


def write_summary(path, totals, regions):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["month", *regions, "total"])
        for month in sorted(totals):
            amounts = [totals[month][region] for region in regions]
            writer.writerow([month, *(f"{a:.2f}" for a in amounts), f"{sum(amounts):.2f}"])


def bars(totals, regions):
    """One stacked bar a month, as SVG rectangles."""
    months = sorted(totals)
    highest = max(sum(totals[month].values()) for month in months)
    scale = (HEIGHT - 2 * MARGIN) / highest
    step = (WIDTH - 2 * MARGIN) / len(months)
    for index, month in enumerate(months):
        x, y = MARGIN + index * step, HEIGHT - MARGIN
        for region, colour in zip(regions, COLOURS):
            height = totals[month][region] * scale
            y -= height
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.8:.1f}" '
                f'height="{height:.1f}" fill="{colour}"><title>{escape(region)} {month}</title></rect>'
            )
        yield f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 16}">{month[5:]}</text>'


def write_chart(path, totals, regions):
    legend = (
        f'<text x="{MARGIN + 90 * i}" y="24" fill="{colour}">{escape(region)}</text>'
        for i, (region, colour) in enumerate(zip(regions, COLOURS))
    )
    with open(path, "w") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12">\n'
        )
        file.write("\n".join([*legend, *bars(totals, regions)]))
        file.write("\n</svg>\n")


def main():
    totals = read_sales("sales.csv")
    regions = sorted({region for month in totals.values() for region in month})
    os.makedirs("results", exist_ok=True)
    write_summary("results/summary.csv", totals, regions)
    write_chart("results/chart.svg", totals, regions)
    best = max(totals, key=lambda month: sum(totals[month].values()))
    total = sum(sum(month.values()) for month in totals.values())
    print(f"{total:.2f} in {len(totals)} months; the best was {best}")


main()
