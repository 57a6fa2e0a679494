"""What the world sees: Strawberry types, filters, orderings, connections and resolvers over ``schema.ports``."""
