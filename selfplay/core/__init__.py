"""The shared policy-gradient core: policy, encoders, advantages, PPO, collection, learner."""
