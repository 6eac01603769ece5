"""Who is still a customer: P(alive) by BG/NBD, fitted to the purchases of all, in whatever currency they were."""

from collections.abc import Callable, Sequence

from domain.decision import Estimate
from projections.models import Estimation
from projections.models.bgnbd import BgNbd
from projections.models.buyers import DAY, PURCHASES, buyers
from projections.models.likelihood import NoFit
from projections.view import Row


def chances(answers: Sequence[Sequence[Row]]) -> Callable[[str], Estimate]:
    """The chance of each customer to be still one at the moment of the rows."""
    purchases, ((today,),) = answers
    known = buyers(((subject, dayno, net) for subject, _, dayno, net in purchases), today, "weeks")
    try:
        model = BgNbd.fitted(known)
    except NoFit as reason:
        why = reason.what
        return lambda _: Estimate(None, why)
    found = dict(zip(known.subjects, model.alive(known).tolist(), strict=True))
    basis = f"{model.name} over {len(found)} customers ({model.fit.told(model.parameters)})"
    return lambda subject: Estimate(found.get(subject), basis)


ESTIMATION = Estimation(asks=(PURCHASES, DAY), solve=chances)
