"""The doctor: is all that keeps us in step with Shopify as it must be? Mends what it may, says what it may not."""

from syncer.doctor.doctor import Doctor
from syncer.doctor.registrar import Registrar
from syncer.doctor.subscriptions import wanted

__all__ = ["Doctor", "Registrar", "wanted"]
