"""How to speak to a platform: the contract, the normalised documents, the HTTP kit, one folder a platform."""
