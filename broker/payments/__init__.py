"""How invoices are paid: payment methods, payments and refunds through a gateway, which is one protocol (`ports.py`)."""
