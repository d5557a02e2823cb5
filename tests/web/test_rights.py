"""What readers asked for stands on a page for owners, with what is overdue said aloud and no address."""

from datetime import timedelta

import subscribers
from newsletter.desk.accounts import Role
from subscribers import Asking, Right
from tests.web.house import ON_SQLITE, House

pytestmark = ON_SQLITE


def test_an_owner_sees_the_requests_and_what_is_overdue(house: House) -> None:
    house.log_in()
    assert "Nobody has asked" in house.client.get("/desk/privacy").text
    for days in (1, 40):
        received = house.clock.now - timedelta(days=days)
        asking = Asking(kind=Right.ACCESS, fingerprint=b"f" * 33, received_at=received, channel="letter <b>")
        with house.database.transaction() as session:
            subscribers.ask(session, asking)
    page = house.client.get("/desk/privacy").text
    assert page.count(", overdue") == 1
    assert "letter &lt;b&gt;" in page


def test_others_do_not(house: House) -> None:
    house.log_in(role=Role.PUBLISHER)
    assert house.client.get("/desk/privacy").status_code == 403
