"""`tandem adopt`: what Flux or Argo CD manages today goes on as a Fabric, and neither side deletes anything."""
