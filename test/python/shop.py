"""A shop in Python, with a client made from the node's OpenAPI document.

    python shop.py BOB_URL BOB_TOKEN ALICE_URL ALICE_TOKEN

It makes a token with a budget, a request, waits for the event that it is paid, and sees the budget
refuse. The tokens that it is given have the scope manage.
"""
import json
import sys

import httpx
from paychan_client import AuthenticatedClient
from paychan_client.api.access import make_token
from paychan_client.api.node import info, pay
from paychan_client.api.requests import make_request, pay_request, requests
from paychan_client.models import (
    BudgetPer,
    MakeRequestBody,
    MakeTokenBody,
    MakeTokenBodyBudget,
    MakeTokenBodyBudgetPer,
    MakeTokenBodyScopesItem,
    PayBody,
    PayRequestBody,
    Problem,
)

bob_url, bob_token, alice_url, alice_token = sys.argv[1:]
bob = AuthenticatedClient(base_url=bob_url, token=bob_token)
alice = AuthenticatedClient(base_url=alice_url, token=alice_token)

made = make_token.sync(
    client=alice,
    body=MakeTokenBody(
        name="shopper",
        scopes=[MakeTokenBodyScopesItem.READ, MakeTokenBodyScopesItem.PAY],
        budget=MakeTokenBodyBudget(amount_sat=5_000, per=MakeTokenBodyBudgetPer.DAY),
    ),
)
assert made.budget.amount_sat == 5_000 and made.budget.per == BudgetPer.DAY
shopper = AuthenticatedClient(base_url=alice_url, token=made.token)
print("token for", made.budget.amount_sat, "sat a", made.budget.per.value)

asked = make_request.sync(client=bob, body=MakeRequestBody(amount_sat=3_000, memo="two teas"))
print("request for", asked.amount_sat, "sat:", asked.text[:24] + "...")

headers = {"Authorization": f"Bearer {bob_token}"}
with httpx.stream("GET", f"{bob_url}/v1/events", headers=headers, timeout=30) as events:
    lines = events.iter_lines()
    next(lines)
    paid = pay_request.sync(client=shopper, body=PayRequestBody(request=asked.text))
    assert paid.amount_sat == 3_000 and paid.receipt is not None
    for line in lines:
        if line.startswith("id: "):
            number = int(line[4:])
        if line.startswith("data: "):
            event = json.loads(line[6:])
            if event["type"] == "request" and event["request"]["state"] == "paid":
                break
print("event", number, "says that it is paid:", event["request"]["receivedSat"], "sat")

# Whoever comes back with the number before it is told again, and once.
after = {**headers, "Last-Event-ID": str(number - 1)}
with httpx.stream("GET", f"{bob_url}/v1/events", headers=after, timeout=30) as events:
    for line in events.iter_lines():
        if line.startswith("id: "):
            assert int(line[4:]) == number
            break

who = info.sync(client=bob).peer_id
refused = pay.sync(client=shopper, body=PayBody(to=who, amount_sat=2_001))
assert isinstance(refused, Problem) and refused.code == "ERR_BUDGET_USED_UP", refused
print("refused:", refused.detail)
assert not isinstance(pay.sync(client=shopper, body=PayBody(to=who, amount_sat=2_000)), Problem)
wrong = requests.sync(client=AuthenticatedClient(base_url=bob_url, token="paychan_no"))
assert isinstance(wrong, Problem) and wrong.code == "ERR_TOKEN_INVALID", wrong
print("ok")
