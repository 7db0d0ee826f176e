#!/usr/bin/env python3
"""generate.py: writes the sample data of the demo and the tests, the same bytes each time.

    helpdesk_export.csv     source zendesk: no keys, no versions, churn as yes/no, words for levels
    helpdesk_export.jsonl   source intercom: keys and versions, churn as 8/10, 0.82 or 82%
    live_signals.jsonl      follow-up signals without a time: the demo sends them as they "happen"
    accounts.csv            the customers
    expected.csv            what ingest has to answer: file, outcome, rows

Both exports are as a helpdesk AI's exports are: the same tag in several spellings, repeats, the same
key with other content, late revisions, and a few rows that are broken, each in its own way.
Only random() of a seeded generator is used, whose results Python keeps the same in every version.
"""
import csv
import io
import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stories import (ASIDES, COMPANY_FIRST, COMPANY_LAST, FEATURES, OWNERS, PEOPLE, PLANS, REGIONS,
                     SIDE_TAGS, STORIES)

HERE = Path(__file__).resolve().parent
START = datetime(2025, 9, 1, 6, 0, tzinfo=timezone.utc)
DAYS = 85
LEVELS = ["very_negative", "negative", "neutral", "positive", "very_positive"]
CSV_COLUMNS = ["ticket_id", "occurred_at", "source_system", "evidence_url", "account_id", "sentiment",
               "sentiment_start", "sentiment_end", "churn_risk", "effort", "confidence", "model",
               "raw_tags", "custom_metrics", "quotes"]


class Dice:
    """Choices made from random() alone."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def number(self, low, high):
        return low + int(self.random() * (high - low + 1))

    def pick(self, items):
        return items[int(self.random() * len(items))]

    def chance(self, share):
        return self.random() < share

    def weighted(self, items, weight):
        at = self.random() * sum(weight(item) for item in items)
        for item in items:
            at -= weight(item)
            if at < 0:
                return item
        return items[-1]

    def some(self, items, count):
        pool = list(items)
        return [pool.pop(int(self.random() * len(pool))) for _ in range(min(count, len(pool)))]


def clamp(value, low=0.0, high=1.0):
    return max(low, min(high, value))


def make_accounts(dice):
    names = [f"{first} {last}" for last in COMPANY_LAST for first in COMPANY_FIRST]
    accounts = []
    for index, name in enumerate(dice.some(names, 80)):
        plan = dice.weighted(PLANS, lambda p: {"Starter": 4, "Growth": 5, "Scale": 3, "Enterprise": 2}[p])
        seats = {"Starter": 8, "Growth": 35, "Scale": 120, "Enterprise": 600}[plan]
        seats = dice.number(seats // 2, seats * 2)
        crm = {"salesforce": f"0015g{dice.number(10**9, 10**10 - 1):010d}AAC"}
        if dice.chance(0.7):
            crm["hubspot"] = str(dice.number(10**9, 10**10 - 1))
        renewal = START + timedelta(days=dice.number(100, 460))
        accounts.append({
            "account_id": f"A-{1001 + index}", "name": name, "plan": plan.lower(), "owner": dice.pick(OWNERS),
            "crm_ids": crm,
            "custom": {"arr_eur": seats * dice.number(140, 260), "seats": seats,
                       "renewal": renewal.date().isoformat(), "region": dice.pick(REGIONS)},
        })
    return accounts


def fill(dice, text, ticket):
    return text.format(
        invoice=ticket["invoice"], amount=ticket["amount"], seats=ticket["seats"], plan=ticket["plan"],
        days=dice.number(2, 12), feature=ticket["feature"], person=dice.pick(PEOPLE))


def make_quotes(dice, ticket, phase, level):
    fresh = [text for text in ticket["story"][phase] if text not in ticket["said"]]
    chosen = dice.some(fresh or ticket["story"][phase], dice.number(1, 2))
    ticket["said"].update(chosen)
    quotes = [fill(dice, text, ticket) for text in chosen]
    if dice.chance(0.35):
        mood = "bad" if level <= 1 else "neutral" if level == 2 else "good"
        aside = fill(dice, dice.pick(ASIDES[mood]), ticket)
        if dice.chance(0.5):
            quotes.append(aside)
        else:
            quotes[0] += " " + aside
    return quotes


def make_ticket(dice, number, accounts):
    story = dice.weighted(STORIES, lambda s: s["weight"])
    account = None if dice.chance(0.03) else dice.weighted(accounts, lambda a: a["custom"]["seats"] ** 0.5)
    return {
        "number": number, "story": story, "account": account["account_id"] if account else None,
        "plan": (account["plan"] if account else "starter").capitalize(),
        "seats": dice.number(5, account["custom"]["seats"]) if account else 5,
        "invoice": f"INV-2025-{dice.number(1000, 9999)}",
        "amount": "{} {}".format(dice.pick(["EUR", "USD", "EUR"]), dice.number(29, 4800)),
        "feature": dice.pick(FEATURES), "messages": 0, "said": set(),
        "side": dice.pick(SIDE_TAGS) if dice.chance(0.3) else None,
    }


def make_tags(dice, ticket):
    tags = [dice.pick(ticket["story"]["spellings"])]
    if ticket["side"] and dice.chance(0.8):
        tags.append(dice.pick(ticket["side"]))
        if dice.chance(0.15):  # now and then the AI sees nothing but the side issue
            del tags[0]
    return tags


def make_revisions(dice, ticket):
    """The ticket's life: a revision each time the AI read a new message."""
    count = dice.number(2, 6)
    level = int(clamp(ticket["story"]["severity"] + dice.number(-1, 1), 0, 4))
    first = level
    minutes = int(dice.random() * DAYS * 24 * 60)
    at = START + timedelta(minutes=minutes, seconds=dice.number(0, 59))
    revisions = []
    for index in range(count):
        if index == 0:
            phase = "open"
        elif index == count - 1 and dice.chance(0.75):
            phase, level = "end", min(4, level + dice.number(1, 3))
        else:
            phase, level = "middle", max(0, level - dice.number(0, 1))
        if index:
            at += timedelta(minutes=int(4 + 1500 * dice.random() ** 3), seconds=dice.number(1, 59))
        ticket["messages"] += dice.number(1, 3)
        churn = clamp(ticket["story"]["churn"] + 0.16 * (2 - level) + (dice.random() - 0.5) * 0.2, 0.02, 0.98)
        revisions.append({
            "ticket": ticket, "version": index + 1, "at": at, "level": level, "first": first,
            "overall": (level + first + 1) // 2, "churn": round(churn, 2),
            "effort": round(clamp(ticket["story"]["effort"] + 0.08 * index + (dice.random() - 0.5) * 0.3, 0.05, 0.95), 2),
            "confidence": round(0.55 + 0.44 * dice.random(), 2),
            "message": dice.number(100000, 999999),
            "tags": make_tags(dice, ticket), "quotes": make_quotes(dice, ticket, phase, level),
            "metrics": make_metrics(dice, ticket, churn, level, phase),
        })
    return revisions


def make_metrics(dice, ticket, churn, level, phase):
    metrics = {"messages": ticket["messages"]}
    if churn >= 0.5:
        metrics["reason_for_churn"] = ticket["story"]["reason"]
        metrics["seats_at_risk"] = ticket["seats"]
    if level >= 3 or ticket["story"]["tag"] == "missing_feature":
        metrics["upsell_opportunity"] = dice.chance(0.4)
    if phase == "end" and dice.chance(0.6):
        metrics["csat"] = int(clamp(level + dice.number(0, 1), 1, 5))
    if phase == "open":
        metrics["first_response_minutes"] = dice.number(2, 480)
    return metrics


def words(dice, level, own):
    """A level as people's systems write it: in one of its spellings, or in the source's own words."""
    name = LEVELS[level]
    if name in own and dice.chance(0.5):
        return own[name]
    return dice.pick([name.replace("_", " ").title(), name.replace("_", " "), name.replace("_", " ").capitalize()])


def csv_row(dice, revision):
    ticket = revision["ticket"]
    offset = timezone(timedelta(hours=dice.pick([0, 1, 2])))
    stamp = revision["at"].astimezone(offset).isoformat().replace("+00:00", "Z")
    metrics = dict(revision["metrics"])
    if "upsell_opportunity" in metrics:
        metrics["upsell_opportunity"] = "yes" if metrics["upsell_opportunity"] else "no"
    return {
        "ticket_id": f"ZD-{ticket['number']}", "occurred_at": stamp, "source_system": "zendesk",
        "evidence_url": f"https://helpdesk.acme.example/agent/tickets/{ticket['number']}#comment-{revision['message']}",
        "account_id": ticket["account"] or "",
        "sentiment": words(dice, revision["overall"], {}),
        "sentiment_start": words(dice, revision["first"], {}),
        "sentiment_end": words(dice, revision["level"], {}),
        "churn_risk": dice.pick(["yes", "Yes"]) if revision["churn"] >= 0.6 else dice.pick(["no", "No"]),
        "effort": "High" if revision["effort"] >= 0.7 else "Medium" if revision["effort"] >= 0.4 else "Low",
        "confidence": "High" if revision["confidence"] >= 0.85 else "Medium" if revision["confidence"] >= 0.7 else "Low",
        "model": "triage-3", "raw_tags": ";".join(revision["tags"]),
        "custom_metrics": json.dumps(metrics, sort_keys=True),
        "quotes": json.dumps(revision["quotes"], ensure_ascii=False),
    }


INTERCOM_WORDS = {"negative": "unhappy", "positive": "happy", "very_positive": "delighted"}


def json_row(dice, revision):
    ticket = revision["ticket"]
    row = {
        "idempotency_key": f"conversation_{ticket['number']}/part_{revision['message']}",
        "ticket_id": f"IC-{ticket['number']}", "version": revision["version"],
        "occurred_at": revision["at"].strftime("%Y-%m-%dT%H:%M:%S.") + f"{revision['message'] % 1000:03d}Z",
        "source_system": "intercom",
        "evidence_url": f"https://inbox.acme.example/a/conversations/{ticket['number']}#part-{revision['message']}",
        "sentiment": "mixed" if abs(revision["first"] - revision["level"]) >= 3 else words(dice, revision["overall"], INTERCOM_WORDS),
        "sentiment_start": words(dice, revision["first"], INTERCOM_WORDS),
        "sentiment_end": words(dice, revision["level"], INTERCOM_WORDS),
        "effort_score": revision["effort"], "confidence": revision["confidence"],
        "model": dice.pick(["cx-small-2", "cx-large-1"]),
        "raw_tags": revision["tags"], "custom_metrics": revision["metrics"], "quotes": revision["quotes"],
    }
    if ticket["account"]:
        row["account_id"] = ticket["account"]
    style = dice.number(1, 3)
    if style == 1:
        row["churn_risk"] = f"{round(revision['churn'] * 10)}/10"
    elif style == 2:
        row["churn_score"] = revision["churn"]
    else:
        row["churn_risk"] = f"{round(revision['churn'] * 100)}%"
    if dice.chance(0.2):
        row["traceparent"] = "00-%016x%016x-%016x-01" % tuple(dice.number(1, 2**62) for _ in range(3))
    return row


def disturb(dice, rows, key, late, repeats, changed, change):
    """Late revisions, repeats, and repeats with other content, in places that do not meet."""
    by_ticket = {}
    for index, row in enumerate(rows):
        by_ticket.setdefault(row["ticket_id"], []).append(index)
    tickets = dice.some([t for t, where in by_ticket.items() if len(where) >= 3], late + repeats + changed)
    moves, copies = {}, {}
    for number, ticket in enumerate(tickets):
        where = by_ticket[ticket]
        if number < late:
            step = dice.number(0, len(where) - 2)
            moves.setdefault(where[step + 1], []).append(where[step])
        else:
            original = rows[dice.pick(where)]
            copy = json.loads(json.dumps(original))
            if number >= late + repeats:
                change(copy)
                assert key(copy) == key(original)
            target = min(len(rows) - 1, max(where) + dice.number(1, 60))
            copies.setdefault(target, []).append(copy)
    moved = {index for where in moves.values() for index in where}
    out = []
    for index, row in enumerate(rows):
        if index not in moved:
            out.append(row)
            out.extend(rows[late_one] for late_one in moves.get(index, []))
        out.extend(copies.get(index, []))
    return out


def broken_csv(rows):
    """One row for each way a row is broken."""
    def broken(number, **fields):
        return dict(rows[number], ticket_id=f"ZD-9{number:04d}", **fields)
    return [
        broken(11, sentiment="Furious"), dict(rows[23], ticket_id=""),
        broken(37, evidence_url=rows[37]["evidence_url"].replace("https:", "http:")),
        broken(41, occurred_at="2025-02-30T10:00:00Z"), broken(53, occurred_at="2025-10-03 09:12:44"),
        broken(67, occurred_at="2099-01-01T00:00:00Z"), broken(79, effort="extreme"),
        broken(83, evidence_url="https://files.elsewhere.example/screenshot.png"),
        broken(97, custom_metrics='{"seats_at_risk": "many"}'), broken(101, custom_metrics='{"csat": 4'),
    ]


def broken_json(rows):
    def broken(number, **fields):
        return dict(rows[number], ticket_id=f"IC-9{number:04d}", idempotency_key=f"broken_{number}", **fields)
    misspelt = broken(13)
    misspelt["sentimnet"] = misspelt.pop("sentiment")
    nameless = broken(29)
    del nameless["source_system"]
    whole = json.dumps(broken(31), ensure_ascii=False)
    return [misspelt, nameless, whole[:len(whole) // 2], '"conversation exported as text"',
            broken(43, churn_risk="11/10"), broken(59, custom_metrics={"csat": {"score": 4, "of": 5}}),
            broken(61, occurred_at=1759485123), broken(71, evidence_url="inbox/a/conversations/71")]


def scatter(dice, rows, extra):
    """Put the broken rows at places of their own; answers which ones are broken."""
    out = [(row, False) for row in rows]
    for row in extra:
        out.insert(dice.number(50, len(out) - 1), (row, True))
    return out


def csv_key(row):
    return row["ticket_id"], datetime.fromisoformat(row["occurred_at"].replace("Z", "+00:00"))


def json_key(row):
    return row["idempotency_key"]


def expect(marked, key, when):
    """What ingest has to answer, by a model of its own that knows nothing of the extension."""
    seen, head, count = {}, {}, {}
    for row, is_broken in marked:
        if is_broken:
            outcome = "quarantined"
        elif key(row) in seen:
            outcome = "duplicate" if seen[key(row)] == row else "conflict"
        else:
            seen[key(row)] = row
            order = when(row)
            outcome = "stale" if order < head.get(row["ticket_id"], order) else "inserted"
            head[row["ticket_id"]] = max(order, head.get(row["ticket_id"], order))
        count[outcome] = count.get(outcome, 0) + 1
    return count


def make_live(dice, rows, count):
    """Follow-ups on tickets that exist; whoever sends one adds occurred_at."""
    heads = {}
    for row in rows:
        heads[row["ticket_id"]] = row
    tickets = sorted(heads)
    live = []
    for number in range(count):
        row = heads[dice.pick(tickets)]
        level = dice.number(0, 4)
        signal = {"ticket_id": row["ticket_id"], "source_system": row["source_system"],
                  "evidence_url": row["evidence_url"].split("#")[0] + f"#live-{number + 1}",
                  "sentiment": LEVELS[level], "churn_score": round(clamp(0.8 - 0.18 * level + 0.2 * dice.random()), 2),
                  "confidence": 0.9, "model": "cx-large-1",
                  "raw_tags": row["raw_tags"].split(";") if isinstance(row["raw_tags"], str) else row["raw_tags"]}
        if row.get("account_id"):
            signal["account_id"] = row["account_id"]
        live.append(signal)
    return live


def write_csv(name, columns, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (HERE / name).write_text(text.getvalue(), encoding="utf-8")


def write_lines(name, rows):
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def change_csv(row):
    row["sentiment"] = "Positive" if row["sentiment"].lower() != "positive" else "Negative"


def change_json(row):
    row["effort_score"] = 0.01


def export(dice, numbers, accounts, render):
    revisions = []
    for number in numbers:
        revisions.extend(make_revisions(dice, make_ticket(dice, number, accounts)))
    revisions.sort(key=lambda r: (r["at"], r["ticket"]["number"], r["version"]))
    return [render(dice, revision) for revision in revisions]


def main():
    dice = Dice(20260118)
    accounts = make_accounts(dice)
    table = export(dice, range(48210, 48210 + 360), accounts, csv_row)
    marked_csv = scatter(dice, disturb(dice, table, csv_key, 22, 34, 5, change_csv), broken_csv(table))
    lines = export(dice, range(215300140, 215300140 + 250), accounts, json_row)
    marked_json = scatter(dice, disturb(dice, lines, json_key, 18, 27, 4, change_json), broken_json(lines))

    write_csv("helpdesk_export.csv", CSV_COLUMNS, [row for row, _ in marked_csv])
    write_lines("helpdesk_export.jsonl", [row for row, _ in marked_json])
    write_lines("live_signals.jsonl", make_live(dice, table + lines, 1000))
    write_csv("accounts.csv", list(accounts[0]), [
        dict(a, crm_ids=json.dumps(a["crm_ids"]), custom=json.dumps(a["custom"])) for a in accounts])
    expected = {"helpdesk_export.csv": expect(marked_csv, csv_key, lambda r: csv_key(r)[1]),
                "helpdesk_export.jsonl": expect(marked_json, json_key, lambda r: r["version"])}
    write_csv("expected.csv", ["file", "outcome", "rows"], [
        {"file": file, "outcome": outcome, "rows": rows}
        for file, count in expected.items() for outcome, rows in sorted(count.items())])


if __name__ == "__main__":
    main()
