//! Score: who is to lead, in integers and in a total order.
