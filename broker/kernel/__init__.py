"""What every part of the broker stands on and what knows no business: errors, time, ids, money, secrets, database, jobs."""
