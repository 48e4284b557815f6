"""A shop in Python, with a client made from the node's OpenAPI document.

    python shop.py BOB_URL BOB_TOKEN ALICE_URL ALICE_TOKEN

It makes a token with a budget, a request, waits for the event that it is paid, is told the same by
a webhook, and sees the budget refuse. The tokens that it is given have the scope manage.
"""
import base64
import hashlib
import hmac
import json
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
from paychan_client import AuthenticatedClient
from paychan_client.api.access import make_token
from paychan_client.api.node import info, pay
from paychan_client.api.requests import make_request, pay_request, requests
from paychan_client.api.webhooks import add_webhook, remove_webhook, webhooks
from paychan_client.models import (
    AddWebhookBody,
    AddWebhookBodyEventsItem,
    BudgetPer,
    MakeRequestBody,
    MakeTokenBody,
    MakeTokenBodyBudget,
    MakeTokenBodyBudgetPer,
    MakeTokenBodyScopesItem,
    PayBody,
    PayRequestBody,
    Problem,
    RemoveWebhookBody,
    WebhookStatus,
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

deliveries: queue.Queue = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()
        deliveries.put((self.headers, body))

    def log_message(self, *_: object) -> None:
        pass


def verified(secret: str, headers, body: bytes) -> bool:
    name, time_ = headers["webhook-id"], headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{time_}.".encode() + body, hashlib.sha256).digest()
    right = "v1," + base64.b64encode(digest).decode()
    return hmac.compare_digest(right, headers["webhook-signature"]) and abs(time.time() - int(time_)) < 300


receiver = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
hook = add_webhook.sync(
    client=bob,
    body=AddWebhookBody(
        url=f"http://127.0.0.1:{receiver.server_port}/paid",
        events=[AddWebhookBodyEventsItem.REQUEST],
    ),
)

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

told, body = deliveries.get(timeout=30)
assert verified(hook.secret, told, body) and not verified(hook.secret, told, body + b" ")
assert json.loads(body) == {"id": number, **event}
print("webhook", told["webhook-id"], "says the same")
[listed] = webhooks.sync(client=bob)
assert listed.id == hook.id and listed.status == WebhookStatus.ACTIVE and "secret" not in listed.to_dict()
assert not isinstance(remove_webhook.sync(client=bob, body=RemoveWebhookBody(id=hook.id)), Problem)

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
