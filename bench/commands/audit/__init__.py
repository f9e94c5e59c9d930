"""Can a published table be right? Printed numbers beside a plan and a run."""
