"""Faults that are aimed: armed, looked at, cleared; and which have struck."""

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException

from sandbox.shopify.admin import Admin
from sandbox.shopify.control.shapes import Json
from sandbox.shopify.faults import Fault, TooManyFaults
from sandbox.shopify.truth import iso


@dataclass(slots=True)
class FaultDesk:
    admin: Admin

    def add_to(self, router: APIRouter) -> None:
        router.add_api_route("/faults", self.faults, methods=["GET"])
        router.add_api_route("/faults", self.arm, methods=["POST"], status_code=201)
        router.add_api_route("/faults", self.clear, methods=["DELETE"])

    async def faults(self) -> Json:
        """Those left, as they are tried; what was struck, oldest first; how many late effects are due."""
        faults = self.admin.faults
        struck = [{"id": one.fault_id, "at": iso(one.at), "fields": one.fields} for one in faults.struck]
        armed = [one.as_json() for one in faults.armed.values()]
        return {"faults": armed, "struck": struck, "late_effects_due": len(self.admin.carrier.late)}

    async def arm(self, wanted: Fault) -> Json:
        try:
            return self.admin.faults.arm(wanted).as_json()
        except TooManyFaults as error:
            raise HTTPException(429, str(error)) from error

    async def clear(self) -> Json:
        """What is under way goes on, late effects too."""
        return {"cleared": self.admin.faults.clear()}
