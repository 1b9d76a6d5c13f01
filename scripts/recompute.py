#!/usr/bin/env python3
"""Reckons the books again from their exports, with nothing but this file and Python's own library.

    recompute.py FOLDER

FOLDER holds intervals.csv, transfers.csv and prices.csv, each exported whole, and where they are there statements.csv,
accounts.csv, contracts.csv, contract_months.csv and grants.csv (see docs/exports.md). Every charge is reckoned from the raw intervals and the price books, every balance from the
transfers. Whole numbers only: amounts in millionths, times in microseconds. Exit status 0: all of it agrees; 1: something
does not, and it says what; 2: a file is not as it should be.
"""

import csv
import json
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

HOUR = 3_600_000_000
DAY = 24 * HOUR
WEEK = 7 * DAY
MINUTE = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# The first of January 1970 was a Thursday.
MONDAY = 3 * DAY
# How many of the smallest pieces make a unit: thousandths of cores, bytes, cards and nodes, each for a microsecond.
PIECES = {
    "core_hour": 1000 * HOUR,
    "gib_hour": (1 << 30) * HOUR,
    "card_hour": HOUR,
    "node_hour": HOUR,
    "gib_month": (1 << 30) * (365 * 24 * HOUR // 12),
    "gib_moved": 1 << 30,
    "request": 1,
    "kilotoken": 1000,
}
# Whom and what an item may name, the one that goes before the others first. Running work is of no model and kind.
NAMES = ("tenant", "model", "kind", "pool", "chip", "product", "class")
ROUND = {"none": 0, "second": 1_000_000, "minute": MINUTE, "hour": HOUR}


class Broken(Exception):
    """A file that cannot be read."""


def money(text):
    """Decimal text with at most six places, as millionths."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, part = digits.partition(".")
    if not whole.isdigit() or (part and not part.isdigit()) or len(part) > 6:
        raise Broken(f"`{text}` is no amount")
    return sign * (int(whole) * 1_000_000 + int(part.ljust(6, "0") or "0"))


def show(amount):
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 1_000_000}.{amount % 1_000_000:06}"


def moment(text):
    """RFC 3339 as microseconds since 1970; without floating point."""
    if not text:
        return None
    at = datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH
    return (at.days * 86_400 + at.seconds) * 1_000_000 + at.microseconds


def offset(text):
    sign = -1 if text.startswith("-") else 1
    hours, minutes = text.lstrip("+-").split(":")
    return sign * (int(hours) * 60 + int(minutes)) * MINUTE


def table(folder, name, needed):
    path = folder / f"{name}.csv"
    if not path.exists():
        if needed:
            raise Broken(f"{path} is not there")
        return None
    csv.field_size_limit(1 << 30)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rate(of, price):
    """A price of its own, or a factor of the item's, rounded down."""
    if of.get("price") is not None:
        return money(of["price"])
    return price * money(of["factor"]) // 1_000_000


class Item:
    """One line of a price book."""

    def __init__(self, place, shown, ahead):
        self.place, self.unit, self.ahead = place, shown["unit"], ahead
        self.names = {key: shown[key] for key in NAMES if shown.get(key) is not None}
        self.price = money(shown["price"])
        self.minimum = money(shown["minimum"]) if shown.get("minimum") else 0
        self.step = ROUND[shown.get("round_up") or "none"]
        self.steps = [(0, self.price)] + [(step["above"], rate(step, self.price)) for step in shown.get("steps") or []]
        self.minutes = self.week(shown.get("bands") or [])

    def week(self, bands):
        """The price of each minute of the week; nothing when it is the same all the time."""
        if not bands:
            return None
        minutes = [None] * (7 * 1440)
        for band in bands:
            own = rate(band, self.price)
            begin, end = clock(band.get("from") or "00:00"), clock(band.get("to") or "24:00")
            if end <= begin:
                end += 1440
            for day in band.get("days") or DAYS:
                for minute in range(DAYS.index(day) * 1440 + begin, DAYS.index(day) * 1440 + end):
                    # The first band that holds counts.
                    if minutes[minute % 10_080] is None:
                        minutes[minute % 10_080] = own
        return [self.price if price is None else price for price in minutes]

    def rank(self):
        return sum(64 >> n for n, key in enumerate(NAMES) if key in self.names)

    def by_volume(self):
        return len(self.steps) > 1

    def price_time(self, begin, end):
        """Price times microseconds from one moment to another, minute by minute."""
        if self.minutes is None:
            return self.price * (end - begin)
        local = begin + self.ahead + MONDAY
        last = end + self.ahead + MONDAY
        weeks = (last - local) // WEEK
        total = weeks * MINUTE * sum(self.minutes)
        local += weeks * WEEK
        while local < last:
            next_minute = min(last, (local // MINUTE + 1) * MINUTE)
            total += self.minutes[local // MINUTE % 10_080] * (next_minute - local)
            local = next_minute
        return total

    def least(self):
        return self.price if self.minutes is None else min(self.minutes)

    def billed(self, worked):
        return worked if self.step == 0 else -(-worked // self.step) * self.step

    def graduated(self, pieces):
        """What the first pieces of a month cost, rounded down once."""
        unit, total = PIECES[self.unit], 0
        for n, (above, price) in enumerate(self.steps):
            end = self.steps[n + 1][0] * unit if n + 1 < len(self.steps) else pieces
            total += price * max(0, min(pieces, end) - above * unit)
        return total // unit

    def month(self, at):
        local = EPOCH + timedelta(microseconds=at + self.ahead)
        return (local.year, local.month)


def clock(text):
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class Book:
    def __init__(self, shown):
        ahead = offset(shown.get("utc_offset") or "+00:00")
        self.items = [Item(place, item, ahead) for place, item in enumerate(shown["items"])]

    def find(self, unit, row):
        said = {"tenant": row["tenant_name"], "pool": row["pool"], "chip": row["chip"], "product": row["product"], "class": row["class"], "model": row.get("model"), "kind": row.get("kind")}
        fits = [i for i in self.items if i.unit == unit and all(said[key] == name for key, name in i.names.items())]
        return max(fits, key=Item.rank, default=None)

    def parts(self, row):
        """Items that price a run, each with how many pieces of it the run holds."""
        cpu, memory, cards, nodes = (int(row[key]) for key in ("cpu_millis", "memory_bytes", "cards", "nodes"))
        node_cpu, node_cards = int(row["node_cpu_millis"] or 0), int(row["node_cards"] or 0)
        whole = node_cpu > 0 and cpu >= nodes * node_cpu or node_cards > 0 and cards >= nodes * node_cards
        node = self.find("node_hour", row) if whole else None
        if node is not None:
            return [(node, nodes)]
        asked = [("core_hour", cpu), ("gib_hour", memory), ("card_hour", cards)]
        found = [(self.find(unit, row), pieces) for unit, pieces in asked if pieces > 0]
        if any(item is None for item, _ in found):
            raise Broken(f"job {row['number']}: its price book has no price for what it ran on")
        return found


class Contracts:
    """What tenants have committed themselves to, and the months of that."""

    def __init__(self, rows, months):
        self.rows = [(row, json.loads(row["commitments"])) for row in rows]
        self.months = {month_key(row): row for row in months}
        self.drawn = defaultdict(lambda: [0, 0])

    def lines(self, row, start):
        """Lines that cover a run from its start on, in the order of drawing: contract, line, what is committed."""
        def end(contract):
            broken = moment(contract["broken_off"])
            return moment(contract["to"] if broken is None or start < broken else contract["ends"])

        said = {"pool": row["pool"], "chip": row["chip"], "product": row["product"], "class": row["class"]}
        fits = lambda line: all(line.get(key) is None or line[key] == name for key, name in said.items())
        of = [(c, lines) for c, lines in self.rows if c["tenant"] == row["tenant"]]
        of = [(c, lines) for c, lines in of if moment(c["signed_at"]) <= start and moment(c["from"]) <= start < end(c)]
        of.sort(key=lambda pair: (end(pair[0]), int(pair[0]["number"])))
        return [(int(c["number"]), n, line) for c, lines in of for n, line in enumerate(lines, 1) if fits(line)]

    def check(self, wrong):
        """What was drawn of a month is what its intervals drew, and is worth its part of the fee."""
        for key, month in self.months.items():
            pieces, value = self.drawn[key]
            whole, fee = int(month["pieces"]), money(month["fee"])
            worth = fee * pieces // whole if whole else 0
            if int(month["drawn"]) != pieces or pieces > whole or value != worth or money(month["earned"]) != worth:
                wrong(f"contract {key[0]} line {key[1]} month {key[2]}: {pieces} pieces were drawn for {show(value)}, worth {show(worth)}")


class Grants:
    """What tenants were granted for free, and what intervals were paid of it."""

    def __init__(self, rows):
        self.rows = {int(row["number"]): row for row in rows}
        self.drawn = defaultdict(int)

    def take(self, row, wrong):
        """What grants paid of an interval: each for its own tenant's work of its project, user and kinds, from its beginning on."""
        credits = json.loads(row["credits"]) if row.get("credits") else []
        where = f"job {row['number']} attempt {row['attempt']} interval {row['seq']}"
        said = {"pool": row["pool"], "chip": row["chip"], "product": row["product"], "class": row["class"]}
        for credit in credits:
            number, value = int(credit["grant"]), money(credit["value"])
            self.drawn[number] += value
            grant = self.rows.get(number)
            if grant is None:
                wrong(f"{where}: paid by grant {number}, which is not there")
                continue
            kinds = json.loads(grant["scope"])
            fits = not kinds or any(all(of.get(key) is None or of[key] == name for key, name in said.items()) for of in kinds)
            whose = (("project_name", "project"), ("user_name", "user"))
            fits = fits and all(not grant.get(named) or grant[named] == row[own] for named, own in whose)
            if grant["tenant"] != row["tenant"] or grant["currency"] != row["currency"] or not fits:
                wrong(f"{where}: paid by grant {number}, which is not for it")
            if value == 0 or (value > 0 and moment(row["to"]) <= moment(grant["from"])):
                wrong(f"{where}: {show(value)} were paid by grant {number}, which begins later or paid nothing")
        paid = sum(money(credit["value"]) for credit in credits)
        if row.get("credited") and money(row["credited"]) != paid:
            wrong(f"{where}: grants paid {row['credited']}, its credits are {show(paid)}")
        own = money(row["charge"]) - (money(row["drawn"]) if row.get("drawn") else 0) - money(row["uncollected"]) - paid
        if paid and (own < 0 < paid or paid < 0 < own):
            wrong(f"{where}: grants paid {show(paid)}, more than was asked for")

    def check(self, accounts, wrong):
        """What was granted was drawn, went back, or is on the grant's account."""
        for number, row in self.rows.items():
            amount, drawn, back, left = (money(row[name]) for name in ("amount", "drawn", "back", "left"))
            debits, credits = accounts[f"grant/{number}"]
            if self.drawn[number] != drawn or drawn < 0 or left < 0 or amount != drawn + back + left:
                wrong(f"grant {number}: {show(self.drawn[number])} were drawn, {show(back)} went back, {show(left)} are left of {show(amount)}")
            if credits - debits != left:
                wrong(f"grant {number}: {show(left)} are left, {show(credits - debits)} are on its account")


def month_key(of):
    return int(of["contract"]), int(of["line"]), int(of["month"]), of["carried"] in (True, "true")


def length(stretches):
    return sum(end - begin for begin, end in stretches)


def cut(stretches, at):
    return [(begin, min(end, at)) for begin, end in stretches if begin < at]


class Run:
    """What one run of an attempt owes as its stretches come."""

    def __init__(self, parts, lines, contracts):
        self.parts, self.worked, self.until, self.timed, self.charged = parts, 0, None, [0] * len(parts), 0
        # By part: the lines that cover it, the price beyond them, and when it was covered.
        self.lines = [[(c, n) for c, n, line in lines if line["unit"] == item.unit] for item, _ in parts]
        beyond = [[line["overage"] for _, _, line in lines if line["unit"] == item.unit and line.get("overage")] for item, _ in parts]
        self.beyond = [money(prices[0]) if prices else None for prices in beyond]
        self.covered, self.contracts = [[] for _ in parts], contracts
        # By item: pieces of each month, in the order in which they were counted.
        self.counted = defaultdict(list)

    def owed(self):
        total = 0
        for n, (item, pieces) in enumerate(self.parts):
            worked = self.worked - length(self.covered[n])
            if self.beyond[n] is not None:
                total += self.beyond[n] * worked * pieces // PIECES[item.unit]
                continue
            if item.by_volume():
                continue
            timed = self.timed[n] - sum(item.price_time(begin, end) for begin, end in self.covered[n])
            added = item.least() * (item.billed(worked) - worked)
            amount = (timed + added) * pieces // PIECES[item.unit]
            total += max(amount, item.minimum) if worked > 0 else amount
        return total

    def is_by_volume(self, n):
        return self.parts[n][0].by_volume() and self.beyond[n] is None

    def count(self, at):
        for n, (item, pieces) in enumerate(self.parts):
            if not self.is_by_volume(n):
                continue
            months = self.counted[item.place]
            more = pieces * item.billed(self.worked - length(self.covered[n])) - sum(count for _, count in months)
            if more > 0:
                month = item.month(at)
                if not months or months[-1][0] != month:
                    months.append([month, 0])
                months[-1][1] += more
            while more < 0:
                taken = min(-more, months[-1][1])
                months[-1][1] -= taken
                more += taken
                if months[-1][1] == 0:
                    months.pop()

    def stretch(self, begin, end, sign):
        self.worked += sign * (end - begin)
        for n, (item, _) in enumerate(self.parts):
            self.timed[n] += sign * item.price_time(begin, end)

    def draw(self, begin, draws):
        """Covers the parts of a stretch by what it drew: month by month, from where each begins, line by line."""
        for n, (_, pieces) in enumerate(self.parts):
            own = [draw for draw in draws if (draw["contract"], draw["line"]) in self.lines[n]]
            start = lambda draw: max(begin, moment(self.contracts.months[month_key(draw)]["from"]))
            own.sort(key=lambda d: (start(d), self.lines[n].index((d["contract"], d["line"])), not d["carried"]))
            cursor = begin
            for draw in own:
                cursor = max(cursor, start(draw))
                self.covered[n].append((cursor, cursor + int(draw["pieces"]) // pieces))
                cursor += int(draw["pieces"]) // pieces

    def take(self, row, draws):
        """The charge of a stretch by what is neither drawn nor priced by the month's quantity."""
        begin, end = moment(row["from"]), moment(row["to"])
        if not row["price_book"]:
            # The run is not billed after all, or nobody is billed for it any more.
            due, self.charged = (-self.charged, 0) if money(row["charge"]) < 0 else (0, self.charged)
            self.counted.clear()
            self.covered = [[] for _ in self.parts]
            return due
        back = self.until is not None and begin < self.until
        self.stretch(begin, end, -1 if back else 1)
        self.until = begin if back else end
        if back:
            self.covered = [cut(covered, begin) for covered in self.covered]
        else:
            self.draw(begin, draws)
        self.count(begin)
        due = self.owed() - self.charged
        self.charged += due
        return due


def said(row):
    """What all intervals of a run have in common."""
    names = "tenant", "pool", "chip", "product", "class", "cpu_millis", "memory_bytes", "cards", "nodes"
    return [row[name] for name in names]


def charges(rows, books, contracts, grants, wrong):
    """Every charge, and the price of every month's quantity."""
    runs, volumes, by_volume, skipped = {}, defaultdict(int), defaultdict(int), 0
    sums = defaultdict(int)
    rows.sort(key=lambda row: (row["job"], int(row["attempt"]), int(row["seq"])))
    for row in rows:
        charge = money(row["charge"])
        sums[row["job"]] += charge
        grants.take(row, wrong)
        draws = json.loads(row["draws"]) if row.get("draws") else []
        for draw in draws:
            of = contracts.drawn[month_key(draw)]
            of[0], of[1] = of[0] + int(draw["pieces"]), of[1] + money(draw["value"])
        drawn = sum(money(draw["value"]) for draw in draws)
        if row.get("drawn") and money(row["drawn"]) != drawn:
            wrong(f"job {row['number']} attempt {row['attempt']} interval {row['seq']}: drew {row['drawn']}, its draws are {show(drawn)}")
        charge -= drawn
        key = (row["job"], row["attempt"], row["run"])
        if key not in runs:
            whole = row["run"] and moment(row["run"]) == moment(row["from"])
            runs[key] = None
            if row["price_book"] and whole:
                parts, lines = books[row["price_book"]].parts(row), contracts.lines(row, moment(row["run"]))
                runs[key] = Run(parts, lines, contracts)
            if row["price_book"] and not whole:
                skipped += 1
            if runs[key] is not None:
                runs[key].book, runs[key].said = (row["tenant"], row["price_book"]), said(row)
        run = runs[key]
        if run is not None and run.said != said(row):
            wrong(f"job {row['number']} attempt {row['attempt']} interval {row['seq']}: is not of what its run was granted")
        if run is None:
            if not row["price_book"] and charge != 0:
                wrong(f"job {row['number']} attempt {row['attempt']} interval {row['seq']}: charged by no price book")
            continue
        due = run.take(row, draws)
        if any(run.is_by_volume(n) for n in range(len(run.parts))):
            by_volume[run.book] += charge - due
        elif due != charge:
            wrong(f"job {row['number']} attempt {row['attempt']} interval {row['seq']}: charged {show(charge)}, comes to {show(due)}")
        if money(row["uncollected"]) * (1 if charge >= 0 else -1) > abs(charge):
            wrong(f"job {row['number']} interval {row['seq']}: more was written off than was charged")
    for run in filter(None, runs.values()):
        for place, months in run.counted.items():
            for month, pieces in months:
                volumes[(*run.book, place, month)] += pieces
    for (tenant, book), sum_charged in by_volume.items():
        due = sum(
            books[book].items[place].graduated(pieces)
            for (of, by, place, _), pieces in volumes.items()
            if (of, by) == (tenant, book)
        )
        if due != sum_charged:
            wrong(f"tenant {tenant}: charged {show(sum_charged)} by the months' quantities, they come to {show(due)}")
    return sums, skipped


def usage(rows, books, contracts, grants, wrong):
    """Storage, traffic, requests and tokens: each record by its item, and what each month of an item comes to."""
    months, sums, seen = defaultdict(lambda: [0, 0, 0]), {}, set()
    rows.sort(key=lambda row: int(row["number"]))
    for row in rows:
        where, charge = f"usage {row['number']}", money(row["charge"])
        if row["usage"] in seen:
            wrong(f"{where}: is there twice")
        seen.add(row["usage"])
        sums[row["usage"]] = charge
        draws = json.loads(row["draws"]) if row.get("draws") else []
        for draw in draws:
            of = contracts.drawn[month_key(draw)]
            of[0], of[1] = of[0] + int(draw["pieces"]), of[1] + money(draw["value"])
        included = sum(int(draw["pieces"]) for draw in draws)
        if included != int(row["included"]) or included > int(row["pieces"]):
            wrong(f"{where}: {row['included']} pieces are included, its draws are {included}")
        grants.take({**row, "number": where, "attempt": "-", "seq": "-", "class": "normal", "drawn": ""}, wrong)
        book = books[row["price_book"]]
        item = book.find(row["unit"], {**row, "class": "normal"})
        if item is None or item.place != int(row["item"]):
            wrong(f"{where}: another item of its price book is for it")
            continue
        pieces, at = int(row["pieces"]) - included, moment(row["from"])
        if item.minimum:
            due = max(item.price_time(at, at + 1) * pieces // PIECES[item.unit], item.minimum) if pieces else 0
            if due != charge:
                wrong(f"{where}: charged {show(charge)}, comes to {show(due)}")
            continue
        month = months[(row["tenant"], row["price_book"], item.place, item.month(at))]
        month[0], month[1], month[2] = month[0] + charge, month[1] + pieces, month[2] + pieces * item.price_time(at, at + 1)
        if charge < 0 or money(row["uncollected"]) + money(row["credited"]) > charge:
            wrong(f"{where}: more was paid than was charged")
    for (tenant, book, place, month), (charge, pieces, worth) in months.items():
        item = books[book].items[place]
        due = item.graduated(pieces) if item.by_volume() else worth // PIECES[item.unit]
        if due != charge:
            wrong(f"tenant {tenant}: charged {show(charge)} by item {place + 1} in {month}, the month comes to {show(due)}")
    return sums


def balances(transfers, wrong):
    """Debits less credits of every account."""
    accounts, seen = defaultdict(lambda: [0, 0]), set()
    for row in transfers:
        amount = money(row["amount"])
        if row["id"] in seen or amount <= 0 or row["debit"] == row["credit"]:
            wrong(f"transfer {row['id']}: there twice, or of nothing")
        seen.add(row["id"])
        accounts[row["debit"]][0] += amount
        accounts[row["credit"]][1] += amount
    return accounts


def earned(transfers, sums, wrong):
    """What was moved to revenue for each job is what its intervals were charged."""
    moved = defaultdict(int)
    for row in transfers:
        if row["job"] and row["reason"] in ("settle", "refund"):
            sign = 1 if row["credit"].endswith("/revenue/compute") else -1 if row["debit"].endswith("/revenue/compute") else 0
            moved[row["job"]] += sign * money(row["amount"])
    for job in sorted(set(moved) | set(sums)):
        if moved[job] != sums[job]:
            wrong(f"{job}: its intervals come to {show(sums[job])}, {show(moved[job])} were moved for it")


def used(transfers, sums, wrong):
    """What was moved to revenue for each record of usage is its charge."""
    moved = defaultdict(int)
    for row in transfers:
        if row.get("usage") and row["credit"].endswith("/revenue/usage"):
            moved[row["usage"]] += money(row["amount"])
    for key in sorted(set(moved) | set(sums)):
        if moved[key] != sums.get(key, 0):
            wrong(f"usage {key}: comes to {show(sums.get(key, 0))}, {show(moved[key])} were moved for it")


def statements(rows, transfers, wrong):
    """What tenants were told is what was booked on their wallets."""
    booked = defaultdict(list)
    for row in transfers:
        for side, sign in (("debit", -1), ("credit", 1)):
            if row[side].endswith("/wallet"):
                booked[row[side]].append((moment(row["at"]), row["reason"], sign * money(row["amount"])))
    rows.sort(key=lambda row: int(row["number"]))
    if [int(row["number"]) for row in rows] != list(range(1, len(rows) + 1)):
        wrong("statements: a number is missing")
    last = {}
    for row in rows:
        begin, end = moment(row["from"]), moment(row["to"])
        wallet = booked[f"tenant/{row['tenant']}/wallet"]
        month = [(reason, amount) for at, reason, amount in wallet if begin <= at < end]
        only = lambda *reasons: sum(amount for reason, amount in month if reason in reasons)
        known = ("top_up", "withdraw", "grant", "settle", "refund", "contract")
        due = {
            "opening": sum(amount for at, _, amount in wallet if at < begin),
            "top_ups": only("top_up"),
            "grants": only("grant"),
            "withdrawals": -only("withdraw"),
            "charges": -only("settle"),
            "refunds": only("refund"),
            "fees": -only("contract"),
            "corrections": -sum(amount for reason, amount in month if reason not in known),
            "due": -sum(amount for reason, amount in month if reason not in ("top_up", "withdraw", "grant")),
            "closing": sum(amount for at, _, amount in wallet if at < end),
        }
        for name, amount in due.items():
            if money(row[name]) != amount:
                wrong(f"statement {row['name']}: {name} is {show(money(row[name]))}, comes to {show(amount)}")
        if int(row["transfers"]) != len(month):
            wrong(f"statement {row['name']}: has {row['transfers']} movements, there are {len(month)}")
        if row["tenant"] in last and last[row["tenant"]] != begin:
            wrong(f"statement {row['name']}: does not begin where the one before it ended")
        last[row["tenant"]] = end
        rate, amount = int(row["tax_ppm"]), due["due"]
        whole = 1_000_000 + rate
        tax = (abs(amount) * rate + whole // 2) // whole * (1 if amount >= 0 else -1)
        if money(row["tax"]) != tax:
            wrong(f"statement {row['name']}: tax is {show(money(row['tax']))}, comes to {show(tax)}")


def main(words):
    if len(words) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder, faults = Path(words[1]), []
    try:
        books = {row["id"]: Book(json.loads(row["book"])) for row in table(folder, "prices", True)}
        intervals, transfers = table(folder, "intervals", True), table(folder, "transfers", True)
        contracts = Contracts(table(folder, "contracts", False) or [], table(folder, "contract_months", False) or [])
        grants = Grants(table(folder, "grants", False) or [])
        sums, skipped = charges(intervals, books, contracts, grants, faults.append)
        records = table(folder, "usage", False)
        if records is not None:
            spent = usage(records, books, contracts, grants, faults.append)
        contracts.check(faults.append)
        accounts = balances(transfers, faults.append)
        grants.check(accounts, faults.append)
        earned(transfers, sums, faults.append)
        if records is not None:
            used(transfers, spent, faults.append)
        told = table(folder, "statements", False)
        if told is not None:
            statements(told, transfers, faults.append)
        known = table(folder, "accounts", False)
        for row in known or []:
            debits, credits = accounts[row["code"]]
            if (money(row["debits"]), money(row["credits"])) != (debits, credits):
                faults.append(f"account {row['code']}: debits and credits come to {show(debits)} and {show(credits)}")
    except (Broken, KeyError, ValueError, csv.Error) as fault:
        print(f"cannot read the exports: {fault!r}", file=sys.stderr)
        return 2
    for fault in faults:
        print(fault)
    print(
        f"{len(intervals)} intervals, {len(transfers)} transfers, {len(accounts)} accounts,"
        f" {len(told or [])} statements: {len(faults)} faults"
        + (f"; {skipped} runs began before the export and were not reckoned" if skipped else "")
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
