"""Any REST API that speaks JSON, declared by the operator."""
